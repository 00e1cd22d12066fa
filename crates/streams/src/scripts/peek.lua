-- peek: reads the body of a delayed entry; only the server can unpack it.
-- KEYS 1 bodies (hash)
-- ARGV token
-- Returns names and values as one list, or nil when it is not delayed any more
-- Cost: HGET. Writes nothing.
local body = redis.call('HGET', KEYS[1], ARGV[1])
if not body then return false end
return cmsgpack.unpack(body)
