-- admit: tells which events this worker has settled before, and announces the others' attempts.
-- KEYS 1..3 settled ids, 4.. destinations
-- ARGV n, window_ms (0 = no dedupe), then per delivery: event id, event type, replay, destination
--      (index from 1, 0 = nothing to announce), 2 × pairs, name, value, ...
-- Returns one number per delivery: 1 settled before, 0 not
-- Cost: 2 HMGET and one XADD per announcement.
-- Invariant: an announcement is not part of the outcome: one that cannot be written is left out.
local n, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local deliveries, asked, at = {}, {}, 3
for i = 1, n do
  local width = tonumber(ARGV[at + 4])
  local d = {event = event_key(ARGV[at], ARGV[at + 1]), replay = ARGV[at + 2] == '1',
             to = tonumber(ARGV[at + 3]), from = at + 5, till = at + 4 + width}
  if not d.replay then asked[#asked + 1] = d.event end
  deliveries[i] = d
  at = at + 5 + width
end
local seen = {}
if window > 0 then
  local now = now_ms()
  local current, previous = seen_slots({KEYS[1], KEYS[2], KEYS[3]}, now, window)
  if not wrong_type(current, 'hash') and not wrong_type(previous, 'hash') then
    seen = settled_before(current, previous, asked, now, window)
  end
end
local out = {}
for i, d in ipairs(deliveries) do
  if seen[d.event] and not d.replay then
    out[i] = 1
  else
    out[i] = 0
    if d.to > 0 then redis.pcall('XADD', KEYS[3 + d.to], '*', unpack(ARGV, d.from, d.till)) end
  end
end
return out
