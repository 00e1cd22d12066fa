-- put_away: moves one dead letter to the processed ones, with what was decided.
-- KEYS 1 dead letters, 2 processed dead letters
-- ARGV entry id, status, notes, actor, widest (own pairs that a dead letter carries as they are)
-- Returns {id among the processed} | {nil}: the dead letter is not there any more | {nil, why not}
-- Cost: XRANGE of one, XADD, XDEL.
-- Invariant: all its bytes go with it, in order; only our own `status` is replaced, never a field of
-- that name which the entry had itself. Nothing changes where the processed ones do not take it.
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return {false} end
local fields, own = entry[2], 0
for i = 1, #fields, 2 do
  if fields[i] == 'original_fields' then own = tonumber(fields[i + 1]) or 0 end
end
-- More than that many are packed into one.
if own > tonumber(ARGV[5]) then own = 1 end
local kept = {}
for i = 1, #fields, 2 do
  if i <= own * 2 or fields[i] ~= 'status' then
    kept[#kept + 1] = fields[i]
    kept[#kept + 1] = fields[i + 1]
  end
end
local decided = {'status', ARGV[2], 'resolution_notes', ARGV[3], 'resolved_at', text(now_ms()), 'actor', ARGV[4]}
for _, value in ipairs(decided) do kept[#kept + 1] = value end
local added, why = add(KEYS[2], kept, 1, #kept)
if not added then return {false, KEYS[2] .. ': ' .. why} end
redis.call('XDEL', KEYS[1], ARGV[1])
return {added}
