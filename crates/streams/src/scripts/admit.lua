-- admit: tells which events this worker has settled before, and announces the others' attempts.
-- KEYS 1..3 settled ids, 4.. destinations
-- ARGV n, window_ms (0 = no dedupe), n events (empty: not asked for), then per announcement: its
--      delivery (from 1), destination (index from 1), 2 × pairs, name, value, ...
-- Returns the deliveries whose events were settled before, from 1
-- Cost: 2 HMGET and one XADD per announcement.
-- Invariant: an announcement is not part of the outcome: one that cannot be written is left out.
local n, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local FIRST_EVENT = 3
local seen, listed = {}, {}
if window > 0 then
  local now = now_ms()
  local current, previous = seen_slots({KEYS[1], KEYS[2], KEYS[3]}, now, window)
  if not wrong_type(current, 'hash') and not wrong_type(previous, 'hash') then
    local events = {unpack(ARGV, FIRST_EVENT, FIRST_EVENT + n - 1)}
    local before = settled_before(current, previous, events, now, window)
    for i = 1, n do
      if before[events[i]] then
        seen[i] = true
        listed[#listed + 1] = i
      end
    end
  end
end
local at = FIRST_EVENT + n
while at <= #ARGV do
  local to, till = tonumber(ARGV[at + 1]), at + 2 + tonumber(ARGV[at + 2])
  if not seen[tonumber(ARGV[at])] then
    redis.pcall('XADD', KEYS[3 + to], '*', unpack(ARGV, at + 3, till))
  end
  at = till + 1
end
return listed
