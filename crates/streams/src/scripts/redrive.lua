-- redrive: puts one dead letter into the worker's inbox.
-- KEYS 1 dead letters, 2 inbox
-- ARGV entry id, name, value, ... (what to add to the inbox)
-- Returns {id of the added entry} | {nil}: the dead letter is not there any more | {nil, why not}
-- Cost: XRANGE of one, XADD, XDEL.
-- Invariant: the dead letter is removed in the step that adds it elsewhere; two people who do it at
-- the same time do it once. Nothing changes where the inbox does not take it.
if not redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1] then return {false} end
local added, why = add(KEYS[2], ARGV, 2, #ARGV)
if not added then return {false, KEYS[2] .. ': ' .. why} end
redis.call('XDEL', KEYS[1], ARGV[1])
return {added}
