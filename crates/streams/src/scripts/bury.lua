-- bury: moves deliveries of one stream to the worker's dead letters.
-- KEYS 1 stream, 2 dead letters, 3 settlement log, 4 ledger, 5..7 settled ids, 8..12 turns
-- ARGV group, consumer, n, ordered, window_ms, log_cap, widest (own values that are passed on as they
--      are), then per delivery: id, count, event id (empty: unknown), event type, attempt, started_ms,
--      reason, 2 × own pairs, name, value, ..., 2 × pairs of the dead letter, name, value, ...
-- Returns one text per delivery: OK | GONE | LOST | FENCED owner count | REFUSED why
-- Cost: XPENDING, then 2 XADD and XACK per delivery.
-- Invariant: the dead letter carries the entry's own pairs first, verbatim, in order, duplicates
-- included; more of them than Lua can pass on are packed as MessagePack into `original_msgpack`.
local stream, dead_letters, log, ledger = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, me, n = ARGV[1], ARGV[2], tonumber(ARGV[3])
local turns = ARGV[4] == '1' and turns_at(8)
local window, log_cap, widest = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])

local deliveries, ids, at = {}, {}, 8
for i = 1, n do
  local d = {id = ARGV[at], count = tonumber(ARGV[at + 1]), event_id = ARGV[at + 2],
             event_type = ARGV[at + 3], attempt = ARGV[at + 4], started = ARGV[at + 5],
             reason = ARGV[at + 6], fields = {}}
  local width = tonumber(ARGV[at + 7])
  local own_from, own_till = at + 8, at + 7 + width
  at = own_till + 1
  if width <= widest then
    for a = own_from, own_till do d.fields[#d.fields + 1] = ARGV[a] end
  else
    local packed = {}
    for a = own_from, own_till do packed[#packed + 1] = ARGV[a] end
    d.fields = {'original_msgpack', cmsgpack.pack(packed)}
  end
  local meta = tonumber(ARGV[at])
  for a = at + 1, at + meta do d.fields[#d.fields + 1] = ARGV[a] end
  at = at + 1 + meta
  deliveries[i], ids[i] = d, d.id
end

local refused = wrong_type(dead_letters, 'stream') or wrong_type(log, 'stream')
  or wrong_type(ledger, 'hash') or (turns and broken_turns(turns))
local own, broken, nogroup = holdings(stream, group, me, ids)
if broken then refused = 'REFUSED ' .. broken end
local now, replies, buried, settled, over = now_ms(), {}, 0, {}, {}
local current, generation = nil, nil
if window > 0 then
  local _
  current, _, generation = seen_slots({KEYS[5], KEYS[6], KEYS[7]}, now, window)
  refused = refused or wrong_type(current, 'hash')
end
for i, d in ipairs(deliveries) do
  local reply = refused or fence(stream, group, me, d.id, d.count, own, nogroup)
  if not reply then
    local added, why = add(dead_letters, d.fields, 1, #d.fields)
    if added then
      why = record(log, log_cap, 'stream', stream, 'entry', d.id, 'event_id', d.event_id,
        'event_type', d.event_type, 'outcome', 'dead', 'attempts', d.attempt, 'instance', me,
        'started', d.started, 'finished', text(now), 'reason', d.reason, 'results', added)
      if why then redis.call('XDEL', dead_letters, added) end
    end
    if why then
      reply = 'REFUSED ' .. why
    else
      redis.call('XACK', stream, group, d.id)
      settled[#settled + 1] = event_key(d.event_id, d.event_type)
      buried = buried + 1
      reply = 'OK'
    end
  end
  if is_over(reply) then over[#over + 1] = stream .. '|' .. d.id end
  replies[i] = reply
end
if window > 0 and not refused then remember(current, settled, now, window, generation) end
tally(ledger, stream, 'dead', buried)
if turns then pass_turns(turns, over) end
return replies
