-- places: which of some places an entry is still in, all looked at in one step.
-- KEYS one per place
-- ARGV group, then per place: 'member' or 'entry', and the member or the entry's id
-- Returns 1 or 0 per place; an entry counts while it is pending or not delivered yet
-- Cost: ZSCORE, or XPENDING, XRANGE and XINFO GROUPS per place. Writes nothing.
local group, out = ARGV[1], {}
local function parse(id) return string.match(id, '^(%d+)-(%d+)$') end
-- Ids are compared as text: 64 bits do not fit a Lua number.
local function less(x, y)
  local a, b = parse(x)
  local c, d = parse(y)
  if #a ~= #c then return #a < #c end
  if a ~= c then return a < c end
  if #b ~= #d then return #b < #d end
  return b < d
end
local function open(stream, id)
  if redis.call('TYPE', stream).ok ~= 'stream' then return false end
  local rows = redis.pcall('XPENDING', stream, group, id, id, 1)
  if rows.err then return false end
  if rows[1] then return true end
  if not redis.call('XRANGE', stream, id, id)[1] then return false end
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local one = {}
    for i = 1, #info, 2 do one[info[i]] = info[i + 1] end
    if one['name'] == group then return less(one['last-delivered-id'], id) end
  end
  return false
end
for i, key in ipairs(KEYS) do
  local kind, what = ARGV[2 * i], ARGV[2 * i + 1]
  local there
  if kind == 'member' then
    there = redis.call('TYPE', key).ok == 'zset' and redis.call('ZSCORE', key, what)
  else
    there = open(key, what)
  end
  out[i] = there and 1 or 0
end
return out
