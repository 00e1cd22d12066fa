-- Gives a lock back.
-- KEYS    1 the lock
-- ARGV    1 who holds it
-- Returns 1 it is free now | 0 somebody else holds it, or nobody
-- Cost    one read, at most one write
-- Invariant: nobody takes away what somebody else holds.
local stands = redis.call('GET', KEYS[1])
if not stands or string.match(stands, '^%d+ (.*)$') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], 0)
