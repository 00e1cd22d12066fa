-- Asks for one more process, if the budget has its tokens.
-- KEYS    1 the controls; 2 where processes stand; 3 the activity feed; 4 the budget
-- ARGV    1 records that the feed keeps; 2 the process; 3 the wish, as JSON; 4 tokens; 5 `1` = also without the tokens;
--         6 from which states it may become pending; 7 facts about it, as JSON
-- Returns {1 asked for | 0 too few tokens | -1 there is one of that name, tokens available}
-- Cost    two reads of the budget, at most four writes
-- Invariant: of any number who ask at once, those are asked for whose tokens are there; nothing is taken for the others.
local budget = budget_of(KEYS[4])
if not budget_take(KEYS[4], budget, ARGV[2], tonumber(ARGV[4]), ARGV[5] == '1') then return { 0, budget.available } end
local word = move(KEYS[2], KEYS[3], ARGV[1], ARGV[2], { state = 'pending', from = ARGV[6], facts = cjson.decode(ARGV[7]) })
if word ~= 'moved' then return { -1, budget.available } end
redis.call('HSET', KEYS[1], 'spawn:' .. ARGV[2], ARGV[3])
return { 1, budget_level(KEYS[4], KEYS[3], ARGV[1]).available }
