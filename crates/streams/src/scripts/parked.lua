-- parked: a page of the entries that wait for their due time or in line, each with its origin.
-- KEYS 1 due times or line (sorted set), 2 bodies (hash)
-- ARGV cursor, page, 'delay' or 'line'
-- Returns {next cursor, {{member, token, score, origin stream or false, origin entry or false,
--      1 when it has a body}, ...}}
-- Cost: ZSCAN and one HGET per member. Writes nothing.
-- Invariant: a member and its body are looked at in one step, as they are written in one step.
local found = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local rows = {}
for i = 1, #found[2], 2 do
  local member, score = found[2][i], found[2][i + 1]
  local token = member
  if ARGV[3] == 'line' then token = string.match(member, '([^%z]*)$') end
  local body = redis.call('HGET', KEYS[2], token)
  local origin, entry = false, false
  if body then
    local readable, fields = pcall(cmsgpack.unpack, body)
    if readable and type(fields) == 'table' and fields[1] == 'printery-inbox' then
      origin, entry = fields[4] or false, fields[6] or false
    end
  end
  rows[#rows + 1] = {member, token, score, origin, entry, body and 1 or 0}
end
return {found[1], rows}
