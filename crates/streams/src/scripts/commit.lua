-- commit: publishes the results of many finished deliveries of one stream and acknowledges them.
-- KEYS 1 stream, 2 settlement log, 3 ledger, 4..6 settled ids, 7..11 turns, 12.. destinations
-- ARGV group, consumer, n, ordered (1: others may wait for these), window_ms (0 = no dedupe), log_cap,
--      n ids, then per delivery:
--      count, event id, event type, replay (1: not a duplicate even if settled before), attempt,
--      started_ms, results, then per result: destination (index from 1), 2 × pairs, name, value, ...
-- Returns nothing when all is done; otherwise one text per delivery: OK | DUPLICATE | GONE | LOST |
-- FENCED owner count | REFUSED why
-- Cost: XPENDING, one HMGET, one HSETNX per delivery, one XADD per result and per log entry, XACK, 1–2
-- HINCRBY; ordered: HMGET, HDEL, ZCARD, and 5 commands per entry whose turn comes.
-- Invariant: an entry leaves the pending list together with its results, or neither happens; of two
-- entries with one event id, one publishes.
local stream, log, ledger = KEYS[1], KEYS[2], KEYS[3]
local group, me, n = ARGV[1], ARGV[2], tonumber(ARGV[3])
local turns = ARGV[4] == '1' and turns_at(7)
local window, log_cap = tonumber(ARGV[5]), ARGV[6]
local FIRST_DESTINATION, FIRST_ID = 11, 7
local ids = {unpack(ARGV, FIRST_ID, FIRST_ID + n - 1)}

-- Everything that could fail is looked at before the first write: Redis does not roll back.
local refused = wrong_type(log, 'stream') or wrong_type(ledger, 'hash')
  or (turns and broken_turns(turns))
local bad_destination = {}
for k = FIRST_DESTINATION + 1, #KEYS do bad_destination[k] = wrong_type(KEYS[k], 'stream') end
local now = now_ms()
local now_text = text(now)
local current, previous, generation = nil, nil, nil
if window > 0 then
  current, previous, generation = seen_slots({KEYS[4], KEYS[5], KEYS[6]}, now, window)
  refused = refused or wrong_type(current, 'hash') or wrong_type(previous, 'hash')
  -- Most of the first day there is no earlier generation to look into.
  if not refused and redis.call('EXISTS', previous) == 0 then previous = nil end
end
local own, broken, nogroup = holdings(stream, group, me, ids)
if broken then refused = 'REFUSED ' .. broken end

-- settles(): false when the event was settled before, by whomever; from now on it is.
local function settles(event)
  if previous then
    local at = redis.call('HGET', previous, event)
    if at and now - tonumber(at) < window then return false end
  end
  return redis.call('HSETNX', current, event, now_text) == 1
end

local replies, acks, over, done, duplicates = {}, {}, {}, 0, 0
-- What a delivery has added so far: where, and as which entry.
local places, added = {}, {}
local at = FIRST_ID + n
for i = 1, n do
  local id, event_id, event_type, results = ids[i], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 6])
  local event = window > 0 and not refused and event_key(event_id, event_type)
  local replay = ARGV[at + 3] == '1'
  local reply = refused or fence(stream, group, me, id, tonumber(ARGV[at]), own, nogroup)
  local after = at + 7
  if reply then
    -- Settled before and then deleted is not a loss.
    if reply == 'LOST' and event and settled_before(current, previous, {event}, now, window)[event] then
      reply = 'GONE'
    end
    for _ = 1, results do after = after + 2 + tonumber(ARGV[after + 1]) end
  elseif event and not replay and not settles(event) then
    reply = 'DUPLICATE'
    duplicates = duplicates + 1
    acks[#acks + 1] = id
    for _ = 1, results do after = after + 2 + tonumber(ARGV[after + 1]) end
  else
    local made = 0
    for _ = 1, results do
      local to, till = FIRST_DESTINATION + tonumber(ARGV[after]), after + 1 + tonumber(ARGV[after + 1])
      reply = reply or bad_destination[to]
      if not reply then
        local entry, why = add(KEYS[to], ARGV, after + 2, till)
        if entry then
          made = made + 1
          places[made], added[made] = KEYS[to], entry
        else
          reply = 'REFUSED ' .. why
        end
      end
      after = till + 1
    end
    if not reply then
      local why = record(log, log_cap, 'stream', stream, 'entry', id, 'event_id', event_id,
        'event_type', event_type, 'outcome', 'done', 'attempts', ARGV[at + 4], 'instance', me,
        'started', ARGV[at + 5], 'finished', now_text, 'results', table.concat(added, ' ', 1, made))
      if why then reply = 'REFUSED ' .. why end
    end
    if reply then
      -- Undo what this delivery added: nobody else can have seen it yet.
      if event and not replay then redis.call('HDEL', current, event) end
      for m = 1, made do
        redis.call('XDEL', places[m], added[m])
        -- The stream still counts it as added: whoever does the accounts must know.
        tally(ledger, places[m], 'undone', 1)
      end
    else
      reply = 'OK'
      if event and replay then redis.call('HSET', current, event, now_text) end
      done = done + 1
      acks[#acks + 1] = id
    end
  end
  if turns and is_over(reply) then over[#over + 1] = stream .. '|' .. id end
  replies[i] = reply
  at = after
end

if window > 0 and done > 0 then keep_slot(current, window, generation) end
tally(ledger, stream, 'done', done)
tally(ledger, stream, 'duplicate', duplicates)
if #acks > 0 then redis.call('XACK', stream, group, unpack(acks)) end
if turns then pass_turns(turns, over) end
if done == n then return {} end
return replies
