-- Puts a deployment's status record in the place of the one that it was made from.
-- KEYS    1 the record; 2 stream of its changes; 3 sorted set of recent deployments
-- ARGV    1 the text it was made from, empty = none; 2 the new text; 3 milliseconds it is kept; 4 the deployment;
--         5 id and 6 type of the event; 7 changes that are kept; 8 deployments that are listed
-- Returns 1 done, or it stood already | 0 another text stands there
-- Cost    one read; three writes, and the clean-up of what is too old
-- Invariant: record, change and listing are written together or not at all; the same text is no change.
local stands = redis.call('GET', KEYS[1]) or ''
if stands == ARGV[2] then return 1 end
if stands ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*',
    'deployment_id', ARGV[4], 'event_id', ARGV[5], 'event_type', ARGV[6], 'data', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[3], now, ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[8])
return 1
