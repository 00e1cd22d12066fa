-- budget: what scripts share that change the budget of tokens; a total of 0 is no limit.
-- Fields: total; day and what was spent on it by those who are gone; level; given:<id> and used:<id> of each who lives; run:<id>
-- and base:<id>, which instance counts and what those before it under that name have used.

-- Reads it whole; a new day begins with nothing spent.
local function budget_of(key)
    local budget = { total = 0, spent = 0, taken = 0, given = {}, used = {}, level = '' }
    local rows = redis.call('HGETALL', key)
    for i = 1, #rows, 2 do
        local kind, id = string.match(rows[i], '^(%a+):(.*)$')
        if kind == 'given' then
            budget.given[id] = tonumber(rows[i + 1]) or 0
            budget.taken = budget.taken + budget.given[id]
        elseif kind == 'used' then
            budget.used[id] = tonumber(rows[i + 1]) or 0
        elseif rows[i] == 'level' then
            budget.level = rows[i + 1]
        else
            budget[rows[i]] = tonumber(rows[i + 1]) or 0
        end
    end
    local day = math.floor(redis.call('TIME')[1] / 86400)
    if budget.total > 0 and budget.day ~= day then
        budget.spent = 0
        redis.call('HSET', key, 'day', day, 'spent', 0)
    end
    budget.available = math.max(budget.total - budget.spent - budget.taken, 0)
    return budget
end

-- Gives a process tokens; false where there are not enough, and it is not forced.
local function budget_take(key, budget, id, tokens, force)
    if budget.total <= 0 or tokens <= 0 or budget.given[id] then return true end
    if tokens > budget.available and not force then return false end
    redis.call('HSET', key, 'given:' .. id, tokens)
    return true
end
