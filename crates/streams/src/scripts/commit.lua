-- commit: publishes the results of many finished deliveries of one stream and acknowledges them.
-- KEYS 1 stream, 2 settlement log, 3 ledger, 4..6 settled ids, 7..11 turns, 12.. destinations
-- ARGV group, consumer, n, ordered (1: others may wait for these), window_ms (0 = no dedupe), log_cap,
--      then per delivery:
--      id, count, event id, event type, replay (1: not a duplicate even if settled before), attempt,
--      started_ms, results, then per result: destination (index from 1), 2 × pairs, name, value, ...
-- Returns one text per delivery: OK | DUPLICATE | GONE | LOST | FENCED owner count | REFUSED why
-- Cost: XPENDING, 2 HMGET, one XADD per result and per log entry, HSET, XACK, 1–2 HINCRBY; ordered:
-- HMGET, HDEL, ZCARD, and 5 commands per entry whose turn comes.
-- Invariant: an entry leaves the pending list together with its results, or neither happens; of two
-- entries with one event id, one publishes.
local stream, log, ledger = KEYS[1], KEYS[2], KEYS[3]
local group, me, n = ARGV[1], ARGV[2], tonumber(ARGV[3])
local turns = ARGV[4] == '1' and turns_at(7)
local window, log_cap = tonumber(ARGV[5]), ARGV[6]
local FIRST_DESTINATION = 11

local deliveries, ids, at = {}, {}, 7
for i = 1, n do
  local d = {id = ARGV[at], count = tonumber(ARGV[at + 1]), event_id = ARGV[at + 2],
             event_type = ARGV[at + 3], event = event_key(ARGV[at + 2], ARGV[at + 3]),
             replay = ARGV[at + 4] == '1', attempt = ARGV[at + 5], started = ARGV[at + 6],
             results = {}}
  local results = tonumber(ARGV[at + 7])
  at = at + 8
  for r = 1, results do
    local width = tonumber(ARGV[at + 1])
    d.results[r] = {to = FIRST_DESTINATION + tonumber(ARGV[at]), from = at + 2, till = at + 1 + width}
    at = at + 2 + width
  end
  deliveries[i], ids[i] = d, d.id
end

-- Everything that could fail is looked at before the first write: Redis does not roll back.
local refused = wrong_type(log, 'stream') or wrong_type(ledger, 'hash')
  or (turns and broken_turns(turns))
local bad_destination = {}
for k = FIRST_DESTINATION + 1, #KEYS do bad_destination[k] = wrong_type(KEYS[k], 'stream') end
local now = now_ms()
local current, previous, generation, seen = nil, nil, nil, {}
if window > 0 and not refused then
  current, previous, generation = seen_slots({KEYS[4], KEYS[5], KEYS[6]}, now, window)
  refused = wrong_type(current, 'hash') or wrong_type(previous, 'hash')
  local asked = {}
  for _, d in ipairs(deliveries) do if not d.replay then asked[#asked + 1] = d.event end end
  if not refused then seen = settled_before(current, previous, asked, now, window) end
end
local own, broken, nogroup = holdings(stream, group, me, ids)
if broken then refused = 'REFUSED ' .. broken end

local replies, acks, settled, over, done, duplicates = {}, {}, {}, {}, 0, 0
for i, d in ipairs(deliveries) do
  local reply = refused or fence(stream, group, me, d.id, d.count, own, nogroup)
  -- Settled before and then deleted is not a loss.
  if reply == 'LOST' and seen[d.event] then reply = 'GONE' end
  if not reply and seen[d.event] and not d.replay then
    reply = 'DUPLICATE'
    duplicates = duplicates + 1
    acks[#acks + 1] = d.id
  elseif not reply then
    for _, r in ipairs(d.results) do reply = reply or bad_destination[r.to] end
    local added = {}
    if not reply then
      for _, r in ipairs(d.results) do
        local added_id, why = add(KEYS[r.to], ARGV, r.from, r.till)
        if why then
          reply = 'REFUSED ' .. why
          break
        end
        added[#added + 1] = {KEYS[r.to], added_id}
      end
    end
    if not reply then
      local result_ids = {}
      for a, entry in ipairs(added) do result_ids[a] = entry[2] end
      local why = record(log, log_cap, {'stream', stream, 'entry', d.id, 'event_id', d.event_id,
        'event_type', d.event_type, 'outcome', 'done', 'attempts', d.attempt, 'instance', me,
        'started', d.started, 'finished', text(now), 'results', table.concat(result_ids, ' ')})
      if why then reply = 'REFUSED ' .. why end
    end
    if reply then
      -- Undo what this delivery added: nobody else can have seen it yet.
      for _, a in ipairs(added) do
        redis.call('XDEL', a[1], a[2])
        -- The stream still counts it as added: whoever does the accounts must know.
        tally(ledger, a[1], 'undone', 1)
      end
    else
      reply = 'OK'
      done = done + 1
      acks[#acks + 1] = d.id
      if window > 0 and d.event then
        settled[#settled + 1] = d.event
        seen[d.event] = true
      end
    end
  end
  if is_over(reply) then over[#over + 1] = stream .. '|' .. d.id end
  replies[i] = reply
end

if window > 0 and not refused then remember(current, settled, now, window, generation) end
tally(ledger, stream, 'done', done)
tally(ledger, stream, 'duplicate', duplicates)
if #acks > 0 then redis.call('XACK', stream, group, unpack(acks)) end
if turns then pass_turns(turns, over) end
return replies
