-- mend: passes on turns that nobody can end, because somebody deleted the entry that had them.
-- KEYS 1..5 turns (order, line, bodies, due times, inbox), 6.. streams
-- ARGV group, cursor (a deployment, empty at the beginning), page (deployments looked at)
-- Returns {cursor (empty at the end), deployments whose turn was passed on}
-- Cost: ZCARD while nobody waits; otherwise 4 commands per deployment that has entries in line.
-- Invariant: a turn passes on only when its entry is neither pending, nor delayed, nor still to come.
local turns = turns_at(1)
local group, cursor, page = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known = {}
for k = 6, #KEYS do known[KEYS[k]] = true end

-- undelivered(): whether the group is still to be handed an entry.
local function undelivered(stream, id)
  if redis.call('EXISTS', stream) == 0 or not redis.call('XRANGE', stream, id, id)[1] then return false end
  local passed = handed_out(stream, group)
  -- Without a group everything is: it is made again at the beginning.
  return not passed or less(passed, id)
end

-- alive(): whether the entry that has a turn will be settled one day.
local function alive(place)
  local delayed = string.match(place, '^delay|(.*)$')
  if delayed then return redis.call('ZSCORE', turns.due_times, delayed) end
  local stream, id = string.match(place, '^(.*)|(%d+%-%d+)$')
  -- A place of which nothing is known is left to a person.
  if not stream or not known[stream] then return true end
  local rows = redis.pcall('XPENDING', stream, group, id, id, 1)
  if rows.err and not absent(rows.err) then return true end
  if not rows.err and rows[1] then return true end
  return undelivered(stream, id)
end

local broken = broken_turns(turns)
if broken then return redis.error_reply('WRONGTYPE ' .. broken) end
local mended = {}
if redis.call('ZCARD', turns.line) == 0 then return {'', mended} end
for _ = 1, page do
  local from = cursor == '' and '-' or '(' .. cursor .. '\1'
  local member = redis.call('ZRANGEBYLEX', turns.line, from, '+', 'LIMIT', 0, 1)[1]
  if not member then return {'', mended} end
  cursor = string.match(member, '^%Z*')
  local place = redis.call('HGET', turns.order, 's' .. cursor)
  if not place or not alive(place) then
    if place then redis.call('HDEL', turns.order, 'e' .. place, 's' .. cursor) end
    call_next(turns, cursor)
    mended[#mended + 1] = cursor
  end
end
return {cursor, mended}
