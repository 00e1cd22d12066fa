-- Remembers how telling somebody went.
-- KEYS    1 hash of one destination
-- ARGV    1 `answered` | `failed` | `busy`; 2 failures in a row that open the circuit;
--         3 milliseconds it stays open, or that it asked to be left alone
-- Returns {failures in a row, milliseconds until it may be asked, 0 = now}
-- Cost    at most four writes
-- Invariant: an answer, also one that asks for a wait, closes the circuit; only failures in a row open it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] == 'answered' then
    redis.call('HDEL', KEYS[1], 'failures', 'open_until', 'trial_until')
    return { 0, 0 }
end
if ARGV[1] == 'busy' then
    redis.call('HSET', KEYS[1], 'busy_until', now + ARGV[3])
    redis.call('PEXPIREAT', KEYS[1], now + 604800000)
    redis.call('HDEL', KEYS[1], 'failures', 'open_until', 'trial_until')
    return { 0, tonumber(ARGV[3]) }
end
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('PEXPIREAT', KEYS[1], now + 604800000)
if failures >= tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'open_until', now + ARGV[3])
    redis.call('HDEL', KEYS[1], 'trial_until')
    return { failures, tonumber(ARGV[3]) }
end
return { failures, 0 }
