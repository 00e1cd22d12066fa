-- Takes the record of a process away that leaves by itself.
-- KEYS    1 hash of instance records; 2 where processes stand; 3 the activity feed; 4 the budget
-- ARGV    1 records that the feed keeps; 2 the instance; 3 what it is called; 4 facts about it, as JSON;
--         5 from which states it may shut down; 6 from which ones it may be completed
-- Returns tokens that came back
-- Cost    three reads, at most six writes
-- Invariant: record, life and tokens go together.
local facts = cjson.decode(ARGV[4])
move(KEYS[2], KEYS[3], ARGV[1], ARGV[3], { state = 'shutting_down', from = ARGV[5], facts = facts })
move(KEYS[2], KEYS[3], ARGV[1], ARGV[3], { state = 'completed', from = ARGV[6], facts = facts })
redis.call('HDEL', KEYS[1], ARGV[2])
return budget_give(KEYS[4], ARGV[3])
