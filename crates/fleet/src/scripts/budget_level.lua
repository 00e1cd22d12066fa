-- budget_level: tells the activity feed once when the budget becomes short, and when it is not any more.
local function budget_level(key, activity, cap)
    local budget = budget_of(key)
    local part = budget.total > 0 and 1 - budget.available / budget.total or 0
    local level = part >= 0.95 and 'critical' or part >= 0.8 and 'warning' or ''
    if level ~= budget.level then
        redis.call('HSET', key, 'level', level)
        redis.call('XADD', activity, 'MAXLEN', '~', cap, '*', 'kind', 'budget:' .. (level == '' and 'normal' or level),
            'subject', 'budget', 'sentence', string.format('%.0f of %.0f tokens are left', budget.available, budget.total),
            'detail', cjson.encode({ available = budget.available, total = budget.total }))
    end
    return budget
end
