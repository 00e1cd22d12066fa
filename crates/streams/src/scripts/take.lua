-- take: hands new entries to a consumer of an ordered worker: of each deployment one, oldest first.
-- KEYS 1 inbox, 2 ledger, 3..7 turns (order, line, bodies, due times, inbox), 8.. event streams
-- ARGV group, consumer, limit (free slots), scan (entries looked at), without inbox (1: a person must
--      mend it; the events are read on)
-- Returns {{{key index, id, pairs}, ...}, {last id handed out of the inbox, of each event stream}}
-- Cost: XINFO GROUPS per stream, then at most `scan` entries read, each with HGET and HSET; HSET, ZADD
-- and XACK for each that has to wait.
-- Invariant: an entry is handed out only together with its deployment's turn. One that finds the turn
-- taken is acknowledged and waits in line, in the same step: it uses no slot and no attempt, and no
-- crash can let a younger entry pass it.
local group, me, limit, scan = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local without_inbox = ARGV[5] == '1'
local inbox, ledger, turns = KEYS[1], KEYS[2], turns_at(3)
local FIRST_EVENTS = 8

local broken = broken_turns(turns)
if broken then return redis.error_reply('WRONGTYPE ' .. broken) end

local sources, listed = {}, {}
for k = FIRST_EVENTS - 1, #KEYS do
  local source = {index = k, key = KEYS[k]}
  if k < FIRST_EVENTS then source = {index = 1, key = inbox} end
  local why = nil
  source.passed = '0-0'
  if k >= FIRST_EVENTS or not without_inbox then source.passed, why = handed_out(source.key, group) end
  if not source.passed then return redis.error_reply(why) end
  sources[#sources + 1] = source
  listed[source.key] = #sources
end

local out, looked, waiting = {}, 0, {}

-- envelope_of(): how many values of an inbox entry are its envelope, and the age of its origin.
local function envelope_of(source, id, fields)
  if source.key == inbox and fields[1] == 'printery-inbox' and fields[2] == '1' then
    if fields[3] == 'origin_stream' and fields[5] == 'origin_entry' and parse_id(fields[6]) then
      return 18, age(fields[6], listed[fields[4]] or 0)
    end
  end
  return 0, age(id, listed[source.key])
end

-- wait_in_line(): false when the entry is too wide to be added to the inbox later.
local function wait_in_line(source, id, fields, deployment, enveloped, origin)
  if #fields + 18 > WIDEST then return false end
  local token, body = source.key .. '|' .. id, fields
  if enveloped == 0 then
    body = {'printery-inbox', '1', 'origin_stream', source.key, 'origin_entry', id, 'event_id', '',
            'failures', '0', 'deaths', '0', 'first_failure_at', '0', 'last_error', '', 'replays', '0'}
    for _, value in ipairs(fields) do body[#body + 1] = value end
  end
  redis.call('HSET', turns.bodies, token, cmsgpack.pack(body))
  redis.call('ZADD', turns.line, 0, deployment .. '\0' .. origin .. '\0' .. token)
  redis.call('XACK', source.key, group, id)
  waiting[source.key] = (waiting[source.key] or 0) + 1
  return true
end

-- deal(): hands one entry out, or lets it wait.
local function deal(source, id, fields)
  if fields then
    local enveloped, origin = envelope_of(source, id, fields)
    local deployment = deployment_of(fields, enveloped + 1)
    local place = source.key .. '|' .. id
    local turn = deployment and redis.call('HGET', turns.order, 's' .. deployment)
    if turn and turn ~= place then
      if wait_in_line(source, id, fields, deployment, enveloped, origin) then return end
    elseif deployment and not turn then
      give_turn(turns.order, deployment, place)
    end
  end
  out[#out + 1] = {source.index, id, fields}
end

-- read(): takes up to `count` entries of a stream; false when there are no more.
local function read(source, count)
  local reply = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', count, 'STREAMS', source.key, '>')
  local entries = reply and reply[1][2] or {}
  for _, entry in ipairs(entries) do
    source.passed = entry[1]
    deal(source, entry[1], entry[2])
  end
  looked = looked + #entries
  return #entries == count
end

-- older(): whether the next entry of one stream goes before that of another.
local function older(one, other)
  local a, b = parse_id(one.next), parse_id(other.next)
  if a == b then return listed[one.key] < listed[other.key] end
  return less(a .. '-0', b .. '-0')
end

-- run_of(): how many entries of a stream go before the next one of its rival.
local function run_of(source, rival, most)
  local limit = parse_id(rival.next)
  -- Without a sequence number a bound takes in the whole millisecond.
  if listed[source.key] > listed[rival.key] then limit = '(' .. limit .. '-0' end
  return math.max(#redis.call('XRANGE', source.key, source.next, limit, 'COUNT', most), 1)
end

-- room(): how many entries may be read now without handing out more than there are slots.
local function room() return math.min(limit - #out, scan - looked) end

-- What was tried before goes first, then the streams, merged by age.
local inbox_source = table.remove(sources, 1)
while not without_inbox and room() > 0 and read(inbox_source, room()) do end
while room() > 0 do
  local oldest, rival = nil, nil
  for _, source in ipairs(sources) do
    if not source.next and not source.dry then
      -- Behind the greatest id there is there is no range, which is an error.
      local entry = redis.pcall('XRANGE', source.key, '(' .. source.passed, '+', 'COUNT', 1)[1]
      source.next, source.dry = entry and entry[1], not entry
    end
    if source.next then
      if not oldest or older(source, oldest) then
        oldest, rival = source, oldest
      elseif not rival or older(source, rival) then
        rival = source
      end
    end
  end
  if not oldest then break end
  local count = room()
  if rival then count = run_of(oldest, rival, count) end
  oldest.next = nil
  -- Without a rival, fewer than asked for means that nothing is left.
  if not read(oldest, count) then oldest.dry = true end
end

for stream, by in pairs(waiting) do tally(ledger, stream, 'in_line', by) end
local passed = {inbox_source.passed}
for _, source in ipairs(sources) do passed[#passed + 1] = source.passed end
return {out, passed}
