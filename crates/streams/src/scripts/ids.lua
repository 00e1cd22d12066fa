-- Shared: entry ids, compared as text, because 64 bits do not fit a Lua number.

local function parse_id(id) return string.match(id, '^(%d+)-(%d+)$') end

-- less(): whether x is the older id.
local function less(x, y)
  local a, b = parse_id(x)
  local c, d = parse_id(y)
  if #a ~= #c then return #a < #c end
  if a ~= c then return a < c end
  if #b ~= #d then return #b < #d end
  return b < d
end

-- age(): an id whose order as text is its order in time, also among streams: sequence numbers only
-- compare within one, so of the same millisecond the stream that is listed first goes first.
local function age(id, place)
  local ms, seq = parse_id(id)
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.format('%03d', place) .. '-'
    .. string.rep('0', 20 - #seq) .. seq
end
