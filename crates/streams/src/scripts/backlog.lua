-- backlog: counts the entries of a stream after an id, up to a limit; bodies do not leave the server.
-- KEYS 1 stream
-- ARGV the id before the first one that counts, limit, the id of the last one that counts or '+'
-- Returns {how many, id of the first, id of the last}; the ids are false where there is none
-- Cost: one XRANGE of at most `limit` entries. Writes nothing.
local found = redis.pcall('XRANGE', KEYS[1], '(' .. ARGV[1], ARGV[3], 'COUNT', ARGV[2])
if found.err then
  -- There is no id after the greatest one.
  if string.find(found.err, 'start ID for the interval', 1, true) then return {0, false, false} end
  return found
end
if #found == 0 then return {0, false, false} end
return {#found, found[1][1], found[#found][1]}
