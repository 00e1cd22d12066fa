-- requeue: puts an entry that its group passed over into the worker's inbox.
-- KEYS 1 stream, 2 inbox, 3 ledger
-- ARGV group, entry, name, value, ... (the inbox entry)
-- Returns 1 when it is in the inbox now; 0 when it is pending or gone
-- Cost: XPENDING, XRANGE, XADD.
-- Invariant: an entry that somebody works on is left alone.
local stream, group, id = KEYS[1], ARGV[1], ARGV[2]
local rows = redis.pcall('XPENDING', stream, group, id, id, 1)
if rows.err or rows[1] or not redis.call('XRANGE', stream, id, id)[1] then return 0 end
local refused = wrong_type(KEYS[2], 'stream')
if refused then return redis.error_reply('WRONGTYPE ' .. refused) end
local _, why = add(KEYS[2], ARGV, 3, #ARGV)
if why then return redis.error_reply('REFUSED ' .. why) end
tally(KEYS[3], stream, 'requeued', 1)
return 1
