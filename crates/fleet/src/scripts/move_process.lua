-- Moves a process from one state to another, or raises an alarm about it.
-- KEYS    1 where processes stand; 2 the activity feed; 3 the budget; 4 the highest epoch seen of leaders
-- ARGV    1 records that the feed keeps; 2 the leader's epoch, empty = whoever; 3 the process; 4 the state; 5 from which ones;
--         6 facts about it, as JSON; 7 the alarm, `-` = as it is; 8 the kind of the feed's line, empty = the state;
--         9 `1` = its tokens come back
-- Returns {`moved` | `stands` | `refused` | `deposed`, state before, tokens that came back}
-- Cost    two reads, at most five writes
-- Invariant: what may not follow its state changes nothing; a change and its line in the feed are one step.
if ARGV[2] ~= '' and fenced(KEYS[4], ARGV[2]) then return { 'deposed', '', 0 } end
local wish = { state = ARGV[4], from = ARGV[5], facts = cjson.decode(ARGV[6]) }
if ARGV[7] ~= '-' then wish.alarm = ARGV[7] end
if ARGV[8] ~= '' then wish.kind = ARGV[8] end
local word, before = move(KEYS[1], KEYS[2], ARGV[1], ARGV[3], wish)
local back = 0
if word ~= 'refused' and ARGV[9] == '1' then back = budget_give(KEYS[3], ARGV[3]) end
return { word, before, back }
