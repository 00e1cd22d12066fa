-- take_over_uncounted: what is taken from a dead owner keeps its delivery count, so that no death is ever counted.
-- Put before the text of reclaim.
local redis = setmetatable({call = function(name, ...)
  local arguments = {...}
  if name == 'XCLAIM' then
    local stream, group, id = arguments[1], arguments[2], arguments[5]
    arguments[6] = 'RETRYCOUNT'
    arguments[7] = redis.call('XPENDING', stream, group, id, id, 1)[1][4]
  end
  return redis.call(name, unpack(arguments))
end}, {__index = redis})

