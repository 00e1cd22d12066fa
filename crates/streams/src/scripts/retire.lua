-- retire: removes a consumer in the same step that finds it has nothing pending.
-- KEYS 1 stream
-- ARGV group, consumer
-- Returns 1 removed, 0 it still has entries (or there is no such group)
-- Invariant: XGROUP DELCONSUMER would drop pending entries for good; it is never called with any.
local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if rows.err or rows[1] then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
