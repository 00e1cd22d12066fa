-- flow: what came to wait beside the streams of a worker and what went on, at one instant.
-- KEYS 1 ledger, 2 due times, 3 line, 4 inbox, 5 dead letters
-- Returns {ledger as names and values, delayed, in line, entries ever added to the inbox, dead
--      letters ever added, dead letters there}; -1 where a key is of another type
-- Cost: HGETALL of a few dozen counters, ZCARD, XINFO STREAM. Writes nothing.
local function size(key, kind, command)
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return 0 end
  if found ~= kind then return -1 end
  return redis.call(command, key)
end
local function added(key)
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return 0 end
  if found ~= 'stream' then return -1 end
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then return info[i + 1] end
  end
  return -1
end
local counts = {}
if redis.call('TYPE', KEYS[1]).ok == 'hash' then counts = redis.call('HGETALL', KEYS[1]) end
return {counts, size(KEYS[2], 'zset', 'ZCARD'), size(KEYS[3], 'zset', 'ZCARD'), added(KEYS[4]),
        added(KEYS[5]), size(KEYS[5], 'stream', 'XLEN')}
