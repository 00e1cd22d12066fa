-- write_off: adds to one counter of the ledger, if nobody has changed it since it was read.
-- KEYS 1 ledger
-- ARGV counter, the value it was read with ('' = it was not there), what to add
-- Returns 1 when it was added, 0 when somebody was faster
-- Cost: HGET, HINCRBY.
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then return 0 end
redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[3])
return 1
