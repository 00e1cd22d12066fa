-- fenced: begins every script that only the holder of a lock may run.
-- Tells whether somebody with a higher epoch has been here; remembers the epoch otherwise. What is written before a lock is
-- lost counts; what arrives after that changes nothing, however long it was under way.
local function fenced(key, epoch)
    local seen = tonumber(redis.call('GET', key)) or 0
    if tonumber(epoch) < seen then return true end
    if tonumber(epoch) > seen then redis.call('SET', key, epoch) end
    return false
end
