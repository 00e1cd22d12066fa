-- Changes the budget of tokens.
-- KEYS    1 the budget; 2 the activity feed
-- ARGV    1 records that the feed keeps; 2 what: `set` total | `grant` id tokens | `recalc` ids of those who live... |
--         `reset`; then its words
-- Returns {total, available, tokens that came back}
-- Cost    two reads of the whole hash, a write for each process that is gone
-- Invariant: what was given never exceeds the total by this script, unless somebody grants it by hand.
local back = 0
if ARGV[2] == 'set' then
    redis.call('HSET', KEYS[1], 'total', ARGV[3])
elseif ARGV[2] == 'reset' then
    redis.call('HSET', KEYS[1], 'spent', 0)
elseif ARGV[2] == 'grant' then
    redis.call('HINCRBY', KEYS[1], 'given:' .. ARGV[3], ARGV[4])
else
    local lives = {}
    for i = 3, #ARGV do lives[ARGV[i]] = true end
    for id in pairs(budget_of(KEYS[1]).given) do
        if not lives[id] then back = back + budget_give(KEYS[1], id) end
    end
end
local budget = budget_level(KEYS[1], KEYS[2], ARGV[1])
return { budget.total, budget.available, back }
