-- Writes what a process says of itself, and where it stands by that.
-- KEYS    1 hash of instance records; 2 where processes stand; 3 the activity feed; 4 the budget
-- ARGV    1 records that the feed keeps; 2 the instance; 3 its record; 4 what the process is called; 5 its state;
--         6 from which ones; 7 facts about it, as JSON; 8 tokens that it has used
-- Returns tokens that it has left | -1 it was given none to count
-- Cost    two reads, at most four writes
-- Invariant: the record is written whatever state the process was in.
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
move(KEYS[2], KEYS[3], ARGV[1], ARGV[4], { state = ARGV[5], from = ARGV[6], facts = cjson.decode(ARGV[7]) })
local own = redis.call('HMGET', KEYS[4], 'given:' .. ARGV[4], 'used:' .. ARGV[4], 'run:' .. ARGV[4], 'base:' .. ARGV[4])
local given, base = tonumber(own[1]), tonumber(own[4]) or 0
if not given then return -1 end
-- Started again under the same name it begins to count at nothing.
if own[3] ~= ARGV[2] then base = tonumber(own[2]) or 0 end
local used = base + tonumber(ARGV[8])
redis.call('HSET', KEYS[4], 'used:' .. ARGV[4], used, 'run:' .. ARGV[4], ARGV[2], 'base:' .. ARGV[4], base)
return math.max(given - used, 0)
