-- promote: moves delayed entries that fell due to the worker's inbox.
-- KEYS 1 dead letters, 2..6 turns (order, line, bodies, due times, inbox)
-- ARGV worker, limit
-- Returns {promoted, ms until the next is due or -1, tokens that were dead-lettered}
-- Cost: ZRANGEBYSCORE, then XADD, ZREM and HDEL per entry; at most `limit` of them.
-- Invariant: an entry is delayed or in the inbox, never both; one without a body that the inbox can
-- take is dead-lettered with what there is of it, so that it blocks nothing behind it. A turn moves
-- with its entry.
local dead_letters, turns = KEYS[1], turns_at(2)
local due_times, bodies, inbox = turns.due_times, turns.bodies, turns.inbox
local worker, limit = ARGV[1], tonumber(ARGV[2])
local now, promoted, bodiless = now_ms(), 0, {}

-- bury_body(): dead-letters a token; false when the dead letters do not take it.
local function bury_body(token, body, reason, detail)
  local letter = {'id', token, 'event_id', '', 'original_stream', due_times, 'original_entry', token,
    'worker', worker, 'failure_reason', reason, 'failure_detail', detail, 'attempt_count', '0',
    'first_failure_at', text(now), 'last_failure_at', text(now), 'datacontenttype',
    body and 'application/msgpack' or '', 'data', body or '', 'status', 'pending', 'fingerprint',
    reason, 'replay_count', '0', 'instance', ''}
  return add(dead_letters, letter, 1, #letter)
end

local due = redis.call('ZRANGEBYSCORE', due_times, '-inf', text(now), 'LIMIT', 0, limit)
-- Asked every second, and mostly in vain: what will not be written is not looked at.
local refused = #due > 0 and (wrong_type(inbox, 'stream') or broken_turns(turns))
if refused then return redis.error_reply('WRONGTYPE ' .. refused) end
for _, token in ipairs(due) do
  local body = redis.call('HGET', bodies, token)
  local reason, detail, fields = 'lost_body', 'the body of a delayed entry is missing', nil
  if body then
    local readable
    readable, fields = pcall(cmsgpack.unpack, body)
    detail = unfit(readable and fields)
    if detail then reason, fields = 'unfit_body', nil end
  end
  local over = true
  if fields then
    local added, why = add(inbox, fields, 1, #fields)
    -- The inbox itself is at fault, not this entry: all that were moved so far are complete.
    if why then return redis.error_reply('REFUSED ' .. inbox .. ': ' .. why) end
    promoted = promoted + 1
    move_turn(turns.order, 'delay|' .. token, inbox .. '|' .. added)
  elseif bury_body(token, body, reason, detail) then
    bodiless[#bodiless + 1] = token
    pass_turns(turns, {'delay|' .. token})
  else
    -- Until a person mends the dead letters it waits aside, not before everything else.
    redis.call('ZADD', due_times, text(now + 60000), token)
    over = false
  end
  if over then
    redis.call('ZREM', due_times, token)
    redis.call('HDEL', bodies, token)
  end
end
local next_due = redis.call('ZRANGE', due_times, 0, 0, 'WITHSCORES')
local wait = -1
if next_due[2] then wait = math.max(0, tonumber(next_due[2]) - now) end
return {promoted, wait, bodiless}
