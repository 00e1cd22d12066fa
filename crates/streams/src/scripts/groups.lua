-- Shared: how far a group has come in a stream.

-- groups_of(): facts of every group by its name, or nil and the error.
local function groups_of(stream)
  local infos, groups = redis.pcall('XINFO', 'GROUPS', stream), {}
  if infos.err then return nil, infos.err end
  for _, info in ipairs(infos) do
    local facts = {}
    for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
    groups[facts['name']] = facts
  end
  return groups
end

-- handed_out(): the last id that a group was handed, or nil and the error.
local function handed_out(stream, group)
  local groups, err = groups_of(stream)
  if groups and groups[group] then return groups[group]['last-delivered-id'] end
  if groups or string.find(err, 'no such key', 1, true) then return nil, 'NOGROUP ' .. stream end
  return nil, err
end
