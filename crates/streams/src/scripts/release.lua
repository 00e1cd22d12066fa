-- release: hands unfinished deliveries of one stream back, through the inbox, at once.
-- KEYS 1 stream, 2 ledger, 3..7 turns (order, line, bodies, due times, inbox)
-- ARGV group, consumer, n, ordered, lease_ms, then per delivery: id, count, 2 × pairs, name, value, ...
-- Returns one text per delivery: OK | GONE | LOST | FENCED owner count | REFUSED why
-- Cost: XPENDING, then XADD and XACK per delivery.
-- Invariant: the entry is in the inbox or still pending, never neither. Where the inbox cannot take
-- it (no memory, too wide), it stays pending with an expired lease and the attempt given back. A row
-- whose body is gone stays as it is, for whoever finds and reports it: XCLAIM would drop it.
local stream, ledger, turns = KEYS[1], KEYS[2], turns_at(3)
local inbox = turns.inbox
local group, me, n, ordered = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local lease = tonumber(ARGV[5])

local deliveries, ids, at = {}, {}, 6
for i = 1, n do
  local width = tonumber(ARGV[at + 2])
  deliveries[i] = {id = ARGV[at], count = tonumber(ARGV[at + 1]), from = at + 3, till = at + 2 + width}
  ids[i] = ARGV[at]
  at = at + 3 + width
end

local refused = wrong_type(ledger, 'hash') or broken_turns(turns)
local no_inbox = wrong_type(inbox, 'stream')
local own, broken, nogroup = holdings(stream, group, me, ids)
if broken then refused = 'REFUSED ' .. broken end
local replies, released = {}, 0
for i, d in ipairs(deliveries) do
  local reply = refused or fence(stream, group, me, d.id, d.count, own, nogroup)
  if not reply then
    local added = not no_inbox and add(inbox, ARGV, d.from, d.till)
    if added then
      redis.call('XACK', stream, group, d.id)
      if ordered then move_turn(turns.order, stream .. '|' .. d.id, inbox .. '|' .. added) end
      released = released + 1
    elseif redis.call('XRANGE', stream, d.id, d.id)[1] then
      redis.call('XCLAIM', stream, group, me, 0, d.id, 'IDLE', lease + 1, 'RETRYCOUNT',
        math.max(d.count - 1, 0), 'JUSTID')
    end
    reply = 'OK'
  end
  -- Settled by somebody who passes no turns, or deleted: nobody else will.
  if ordered and (reply == 'GONE' or reply == 'LOST') then pass_turns(turns, {stream .. '|' .. d.id}) end
  replies[i] = reply
end
tally(ledger, stream, 'released', released)
return replies
