-- set_position: moves a group's position, if nothing has moved since it was looked at.
-- KEYS 1 stream
-- ARGV group, the position it was seen at, the new position
-- Returns 1 when it was moved, 0 when it stands elsewhere by now
-- Cost: XINFO GROUPS, XGROUP SETID.
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local one = {}
  for i = 1, #info, 2 do one[info[i]] = info[i + 1] end
  if one['name'] == ARGV[1] and one['last-delivered-id'] == ARGV[2] then
    redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[3])
    return 1
  end
end
return 0
