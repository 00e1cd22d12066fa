-- bodies: a page of the tokens under which bodies are kept, and whether each has a due time.
-- KEYS 1 bodies (hash), 2 due times
-- ARGV cursor, page
-- Returns {next cursor, {{token, 1 when it has a due time}, ...}}
-- Cost: HSCAN and one ZSCORE per body; bodies do not leave the server. Writes nothing.
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local rows = {}
for i = 1, #found[2], 2 do
  local token = found[2][i]
  rows[#rows + 1] = {token, redis.call('ZSCORE', KEYS[2], token) and 1 or 0}
end
return {found[1], rows}
