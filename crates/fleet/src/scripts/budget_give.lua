-- budget_give: what scripts share that end a life: the tokens that are left come back.
-- Takes back what a process was given and has not used; tells how many.
local function budget_give(key, id)
    local own = redis.call('HMGET', key, 'given:' .. id, 'used:' .. id)
    local given = tonumber(own[1])
    if not given then return 0 end
    local used = math.min(tonumber(own[2]) or 0, given)
    redis.call('HDEL', key, 'given:' .. id, 'used:' .. id, 'run:' .. id, 'base:' .. id)
    redis.call('HINCRBY', key, 'spent', used)
    return given - used
end
