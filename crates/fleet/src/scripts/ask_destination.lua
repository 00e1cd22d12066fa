-- May somebody be told now?
-- KEYS    1 hash of one destination
-- ARGV    1 least milliseconds between two messages, 0 = any number at once; 2 milliseconds a trial may take;
--         3 `1` where a place was given out before
-- Returns {`go` | `trial` | `open` | `busy` | `paced`, milliseconds to wait}
-- Cost    one read, at most one write
-- Invariant: while the circuit is open one caller at a time gets `trial`; places are given out in the order of asking.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'open_until', 'trial_until', 'next_free', 'busy_until')
local open_until, trial_until, next_free = tonumber(state[1]), tonumber(state[2]) or 0, tonumber(state[3]) or 0
local busy_until = tonumber(state[4]) or 0
if now < busy_until then return { 'busy', busy_until - now } end
if open_until then
    if now < open_until then return { 'open', open_until - now } end
    if now < trial_until then return { 'open', trial_until - now } end
    redis.call('HSET', KEYS[1], 'trial_until', now + ARGV[2])
    return { 'trial', 0 }
end
local pace = tonumber(ARGV[1])
if pace > 0 and ARGV[3] ~= '1' then
    local place = math.max(now, next_free)
    redis.call('HSET', KEYS[1], 'next_free', place + pace)
    redis.call('PEXPIREAT', KEYS[1], place + 604800000)
    if place > now then return { 'paced', place - now } end
end
return { 'go', 0 }
