-- bury_token: dead-letters a delayed entry or one in line whose body is gone.
-- KEYS 1 due times or line, 2 bodies, 3 dead letters
-- ARGV member, token, worker
-- Returns 1 when it was buried; 0 when it is not there any more or has a body
-- Cost: ZSCORE, HEXISTS, XADD, ZREM.
-- Invariant: the dead letter is there before the member is gone; twice does it once.
local index, member, token, worker = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if not redis.call('ZSCORE', index, member) or redis.call('HEXISTS', KEYS[2], token) == 1 then
  return 0
end
local refused = wrong_type(KEYS[3], 'stream')
if refused then return redis.error_reply('WRONGTYPE ' .. refused) end
local now = text(now_ms())
local letter = {'id', token, 'event_id', '', 'original_stream', index, 'original_entry', token,
  'worker', worker, 'failure_reason', 'lost_body', 'failure_detail',
  'the body of an entry that waited is missing', 'attempt_count', '0', 'first_failure_at', now,
  'last_failure_at', now, 'datacontenttype', '', 'data', '', 'status', 'pending', 'fingerprint',
  'lost_body', 'replay_count', '0', 'instance', ''}
local _, why = add(KEYS[3], letter, 1, #letter)
if why then return redis.error_reply('REFUSED ' .. why) end
redis.call('ZREM', index, member)
return 1
