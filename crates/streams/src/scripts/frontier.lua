-- frontier: tells from which ids on streams hold what their group was not handed yet.
-- KEYS 1.. streams
-- ARGV group
-- Returns one id per stream; an error where stream or group are missing
-- Cost: XINFO GROUPS per stream. Writes nothing.
local out = {}
for k, stream in ipairs(KEYS) do
  local id, why = handed_out(stream, ARGV[1])
  if not id then return redis.error_reply(why) end
  out[k] = id
end
return out
