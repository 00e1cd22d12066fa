-- defer: moves failed deliveries of one stream out of the pending list until they are due.
-- KEYS 1 stream, 2 ledger, 3..7 turns (order, line, bodies, due times, inbox)
-- ARGV group, consumer, n, ordered, then per delivery: id, count, delay_ms, token, 2 × pairs, name, value, ...
-- Returns one text per delivery: OK | GONE | LOST | FENCED owner count | REFUSED why
-- Cost: XPENDING, then HSET, ZADD and XACK per delivery.
-- Invariant: the body is stored with its due time, or the entry stays pending. It keeps its turn.
local stream, ledger, turns = KEYS[1], KEYS[2], turns_at(3)
local group, me, n, ordered = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'

local deliveries, ids, at = {}, {}, 5
for i = 1, n do
  local width = tonumber(ARGV[at + 4])
  deliveries[i] = {id = ARGV[at], count = tonumber(ARGV[at + 1]), delay = tonumber(ARGV[at + 2]),
                   token = ARGV[at + 3], from = at + 5, till = at + 4 + width}
  ids[i] = ARGV[at]
  at = at + 5 + width
end

local refused = broken_turns(turns) or wrong_type(ledger, 'hash')
local own, broken, nogroup = holdings(stream, group, me, ids)
if broken then refused = 'REFUSED ' .. broken end
local now, replies, deferred = now_ms(), {}, 0
for i, d in ipairs(deliveries) do
  local reply = refused or fence(stream, group, me, d.id, d.count, own, nogroup)
  if not reply then
    local fields = {}
    for a = d.from, d.till do fields[#fields + 1] = ARGV[a] end
    redis.call('HSET', turns.bodies, d.token, cmsgpack.pack(fields))
    redis.call('ZADD', turns.due_times, text(now + d.delay), d.token)
    redis.call('XACK', stream, group, d.id)
    if ordered then move_turn(turns.order, stream .. '|' .. d.id, 'delay|' .. d.token) end
    deferred = deferred + 1
    reply = 'OK'
  end
  -- Settled by somebody who passes no turns, or deleted: nobody else will.
  if ordered and (reply == 'GONE' or reply == 'LOST') then pass_turns(turns, {stream .. '|' .. d.id}) end
  replies[i] = reply
end
tally(ledger, stream, 'deferred', deferred)
return replies
