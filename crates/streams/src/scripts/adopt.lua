-- adopt: takes up entries that were delivered to this consumer in a reply it never saw.
-- KEYS 1 stream
-- ARGV group, consumer, page, limit, then the ids that are running or about to be settled
-- Returns {{id, count, pairs or false when the body is gone}, ...}
-- Cost: one XPENDING of this consumer's rows, XRANGE and XCLAIM per entry taken up.
-- Invariant: the delivery count stays, so a lost reply uses up nothing.
local stream, group, me = KEYS[1], ARGV[1], ARGV[2]
local page, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local known = {}
for i = 5, #ARGV do known[ARGV[i]] = true end
local rows = redis.pcall('XPENDING', stream, group, '-', '+', page, me)
if rows.err then
  if absent(rows.err) then return {} end
  return rows
end
local out = {}
for _, row in ipairs(rows) do
  if #out >= limit then break end
  if not known[row[1]] then
    local entry = redis.call('XRANGE', stream, row[1], row[1])[1]
    if entry then redis.call('XCLAIM', stream, group, me, 0, row[1], 'JUSTID') end
    out[#out + 1] = {row[1], row[4], entry and entry[2] or false}
  end
end
return out
