-- rows: a page of a group's pending list, and whether each entry still has its body.
-- KEYS 1 stream
-- ARGV group, id of the first row that may be in it, page
-- Returns {{id, consumer, idle ms, deliveries, 1 when it has a body}, ...}
-- Cost: XPENDING and one XRANGE per row. Writes nothing.
-- Invariant: row and body are looked at in one step: nothing that is settled meanwhile looks lost.
local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], '+', ARGV[3])
if rows.err then
  if string.find(rows.err, 'NOGROUP', 1, true) or string.find(rows.err, 'WRONGTYPE', 1, true) then
    return {}
  end
  return rows
end
for _, row in ipairs(rows) do
  row[5] = redis.call('XRANGE', KEYS[1], row[1], row[1])[1] and 1 or 0
end
return rows
