-- rescue: puts a body that no due time and no line leads to into the worker's inbox.
-- KEYS 1 bodies, 2 due times, 3 inbox, 4 dead letters
-- ARGV token, worker
-- Returns 1 in the inbox, 2 in the dead letters because the inbox cannot take it, 0 not there any more
-- Cost: HGET, ZSCORE, XADD, HDEL.
-- Invariant: the body is in one place before and after. Whoever calls has made sure that no line
-- leads to it: tokens are never used again, so that cannot change.
local token, worker = ARGV[1], ARGV[2]
local body = redis.call('HGET', KEYS[1], token)
if not body or redis.call('ZSCORE', KEYS[2], token) then return 0 end
local refused = wrong_type(KEYS[3], 'stream') or wrong_type(KEYS[4], 'stream')
if refused then return redis.error_reply('WRONGTYPE ' .. refused) end
local readable, fields = pcall(cmsgpack.unpack, body)
local detail, went = unfit(readable and fields), 1
if not detail then
  local _, why = add(KEYS[3], fields, 1, #fields)
  if why then return redis.error_reply('REFUSED ' .. why) end
else
  local now = text(now_ms())
  local letter = {'id', token, 'event_id', '', 'original_stream', KEYS[2], 'original_entry', token,
    'worker', worker, 'failure_reason', 'unfit_body', 'failure_detail', detail, 'attempt_count', '0',
    'first_failure_at', now, 'last_failure_at', now, 'datacontenttype', 'application/msgpack',
    'data', body, 'status', 'pending', 'fingerprint', 'unfit_body', 'replay_count', '0',
    'instance', ''}
  local _, why = add(KEYS[4], letter, 1, #letter)
  if why then return redis.error_reply('REFUSED ' .. why) end
  went = 2
end
redis.call('HDEL', KEYS[1], token)
return went
