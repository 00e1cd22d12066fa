-- trim: removes old entries that every group has both passed and settled.
-- KEYS 1 stream
-- ARGV keep_entries, keep_from (entries with this id or a younger one stay), limit, count of required groups,
--      required groups..., groups that nobody reads for any more...
-- Returns {code, removed, detail}; code OK | SHORT | MISSING | ODD
-- Cost: XINFO GROUPS, XPENDING per group, one XTRIM that removes whole nodes only (`~`).
-- Invariant: nothing is removed that any group that is read for has not settled; without a required group, nothing.
local stream, keep, keep_from, limit = KEYS[1], tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

local excess = redis.call('XLEN', stream) - keep
if excess <= 0 then return {'SHORT', 0, ''} end
local required, floor, have, abandoned = tonumber(ARGV[4]), keep_from, {}, {}
for i = 5 + required, #ARGV do abandoned[ARGV[i]] = true end
for name, group in pairs(groups_of(stream) or {}) do
  have[name] = true
  if not abandoned[name] then
    local passed = group['last-delivered-id']
    local pending = redis.call('XPENDING', stream, name)
    if pending[1] > 0 then
      -- A pending id above the last delivered one: somebody set the group back. Hands off.
      if less(passed, pending[2]) then return {'ODD', 0, name} end
      passed = pending[2]
    end
    if less(passed, floor) then floor = passed end
  end
end
for i = 5, 4 + required do
  if not have[ARGV[i]] then return {'MISSING', 0, ARGV[i]} end
end
local removed = redis.call('XTRIM', stream, 'MINID', '~', floor, 'LIMIT', math.min(excess, limit))
return {'OK', removed, floor}
