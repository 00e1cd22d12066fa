-- enqueue: publishes one event, once per event id.
-- KEYS 1 stream, 2 id of the entry it was published under
-- ARGV ttl_ms, 1 when the caller waits for confirmation, name, value, ...
-- Returns {entry id, 1 when it had been published before}
-- Cost: GET, XADD, SET. A repetition that waits for confirmation writes what is known again: only the
-- writes of its own connection are waited for, and what comes later confirms what came before.
-- No allow-oom: a full Redis is the producers' back-pressure.
local before = redis.call('GET', KEYS[2])
if before then
  if ARGV[2] == '1' then redis.call('SET', KEYS[2], before, 'PX', ARGV[1]) end
  return {before, 1}
end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
return {id, 0}
