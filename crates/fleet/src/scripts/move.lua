-- move: what scripts share that change where a process stands.
-- Writes the record and one line of the activity feed, or refuses; `wish` has state, from (states, a space around each),
-- facts, and perhaps an alarm and the kind of line that it is told by. Returns `moved`, `stands` or `refused`, and from where.
local function move(states, activity, cap, id, wish)
    local text = redis.call('HGET', states, id)
    local known, life = pcall(cjson.decode, text or '{}')
    if not known or type(life) ~= 'table' then life = {} end
    local before, alarm = life.state or 'new', life.alarm or ''
    local changes = before ~= wish.state
    if changes and not string.find(wish.from, ' ' .. before .. ' ', 1, true) then return 'refused', before end
    -- Only whoever raised it takes an alarm back, except one about a state that is over.
    local raised = wish.alarm or alarm
    if changes and not wish.alarm and (alarm == 'idle' or alarm == 'pending') then raised = '' end
    if not changes and raised == alarm then return 'stands', before end
    for name, value in pairs(wish.facts) do life[name] = value end
    if changes then
        local time = redis.call('TIME')
        life.since_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    end
    life.state, life.alarm = wish.state, raised
    redis.call('HSET', states, id, cjson.encode(life))
    local sentence = changes and (id .. ' is ' .. wish.state .. ', it was ' .. before) or (id .. ': ' .. (life.reason or ''))
    redis.call('XADD', activity, 'MAXLEN', '~', cap, '*', 'kind', 'worker:' .. (wish.kind or wish.state), 'subject', id,
        'sentence', sentence, 'detail', cjson.encode({ worker = life.worker, from = before, to = wish.state,
            alarm = raised, reason = life.reason, instance = life.instance, task = life.task }))
    return 'moved', before
end
