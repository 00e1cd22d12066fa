-- drop: takes one of two copies of a delayed entry away; the other one is somewhere else.
-- KEYS 1 due times, 2 bodies, 3 ledger
-- ARGV token
-- Returns 1 when it was there, else 0
-- Cost: ZREM, HDEL.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
tally(KEYS[3], KEYS[1], 'dropped', 1)
return 1
