-- Takes a lock that nobody holds, or renews one's own.
-- KEYS    1 the lock; 2 the highest epoch of its holders
-- ARGV    1 who asks; 2 milliseconds it is held without renewal
-- Returns {`held` | `taken`, epoch, holder, milliseconds it is held for, -1 = for ever}
-- Cost    two reads, at most two writes
-- Invariant: two holders never have the same epoch, and a later one has a higher one, also after a flush: the server's
--            microseconds are the least that it can be.
local stands = redis.call('GET', KEYS[1])
local epoch, holder
if stands then
    epoch, holder = string.match(stands, '^(%d+) (.*)$')
    if holder ~= ARGV[1] then
        return { 'taken', tonumber(epoch) or 0, holder or stands, redis.call('PTTL', KEYS[1]) }
    end
else
    local time = redis.call('TIME')
    local last = tonumber(redis.call('GET', KEYS[2])) or 0
    epoch = string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
    redis.call('SET', KEYS[2], epoch)
end
redis.call('SET', KEYS[1], epoch .. ' ' .. ARGV[1], 'PX', ARGV[2])
return { 'held', tonumber(epoch), ARGV[1], tonumber(ARGV[2]) }
