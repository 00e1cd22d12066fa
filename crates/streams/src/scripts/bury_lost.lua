-- bury_lost: dead-letters a pending row whose body is gone, whoever owns it.
-- KEYS 1 stream, 2 dead letters, 3 ledger
-- ARGV group, worker, entry
-- Returns 1 when it was buried; 0 when it is not pending any more or has a body
-- Cost: XPENDING, XRANGE, XADD, XACK.
-- Invariant: the dead letter is there before the row is gone; twice does it once.
local stream, group, worker, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local rows = redis.pcall('XPENDING', stream, group, id, id, 1)
if rows.err or not rows[1] or redis.call('XRANGE', stream, id, id)[1] then return 0 end
local refused = wrong_type(KEYS[2], 'stream')
if refused then return redis.error_reply('WRONGTYPE ' .. refused) end
local owner, count, now = rows[1][2], rows[1][4], text(now_ms())
local letter = {'id', stream .. '/' .. id, 'event_id', '', 'original_stream', stream,
  'original_entry', id, 'worker', worker, 'failure_reason', 'lost_body', 'failure_detail',
  'the entry was trimmed or deleted while it was pending', 'attempt_count', text(count),
  'first_failure_at', now, 'last_failure_at', now, 'data', '', 'status', 'pending', 'fingerprint',
  'lost_body', 'replay_count', '0', 'instance', owner}
local _, why = add(KEYS[2], letter, 1, #letter)
if why then return redis.error_reply('REFUSED ' .. why) end
redis.call('XACK', stream, group, id)
tally(KEYS[3], stream, 'lost', 1)
return 1
