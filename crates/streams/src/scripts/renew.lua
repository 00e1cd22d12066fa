-- renew: makes the leases of running deliveries of one stream young again.
-- KEYS 1 stream
-- ARGV group, consumer, n, then per delivery: id, count
-- Returns one number per delivery: 1 renewed, 0 lost to somebody else, 2 held but its body is gone
-- Cost: XPENDING, one XRANGE per delivery, one XCLAIM.
-- Invariant: never takes an entry back, never changes a delivery count. XCLAIM drops the row of an
-- entry whose body was deleted, so such a row is left alone: its owner may still settle it.
local stream, group, me, n = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local ids, counts = {}, {}
for i = 1, n do
  ids[i], counts[i] = ARGV[2 + 2 * i], tonumber(ARGV[3 + 2 * i])
end
local own, broken, nogroup = holdings(stream, group, me, ids)
if broken then
  if not absent(broken) then return redis.error_reply(broken) end
  nogroup = true
end
local out, claim = {}, {}
for i = 1, n do
  if fence(stream, group, me, ids[i], counts[i], own, nogroup) then
    out[i] = 0
  elseif redis.call('XRANGE', stream, ids[i], ids[i])[1] then
    out[i] = 1
    claim[#claim + 1] = ids[i]
  else
    out[i] = 2
  end
end
if #claim > 0 then
  claim[#claim + 1] = 'JUSTID'
  redis.call('XCLAIM', stream, group, me, 0, unpack(claim))
end
return out
