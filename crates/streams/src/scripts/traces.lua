-- traces: a page of a stream, of each entry the id and a few values; bodies stay in the server.
-- KEYS 1 stream
-- ARGV first id, last id or '+', page, guard (a field), what its value has to begin with, names...
-- Returns {bytes looked at, id, value, ..., id, value, ...}: per entry its id and a value per name,
--      empty where there is none or the guard does not hold; of several the last one
-- Cost: one XRANGE of at most `page` entries. Writes nothing.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
local guard, begins = ARGV[4], ARGV[5]
local wanted, names = {}, #ARGV - 5
for n = 1, names do wanted[ARGV[5 + n]] = n end
local out, bytes = {0}, 0
for _, entry in ipairs(found) do
  local at, fields, holds = #out, entry[2], false
  out[at + 1] = entry[1]
  for n = 1, names do out[at + 1 + n] = '' end
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    bytes = bytes + #name + #value
    local n = wanted[name]
    if n then out[at + 1 + n] = value end
    if name == guard then holds = string.sub(value, 1, #begins) == begins end
  end
  if not holds then
    for n = 1, names do out[at + 1 + n] = '' end
  end
end
out[1] = bytes
return out
