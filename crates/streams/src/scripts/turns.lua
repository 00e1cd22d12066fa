-- Shared by the scripts that move entries of an ordered worker: whose turn it is.
-- Of each deployment one entry has the turn; the others wait in line, oldest first. The hash `order`
-- says where the turn of a deployment is (`s<deployment>`) and whose turn is at a place (`e<place>`).
-- A place is `<stream>|<id>` of an entry that is pending or in the inbox, or `delay|<token>`.
-- The sorted set `line` holds `<deployment>\0<age of origin>\0<token>`, all scores equal; the
-- bodies stay in the hash of delayed bodies, by token.
-- Invariant: whoever waits, waits for a turn that somebody has; it passes on with its settlement.

-- turns_at(): the five keys from KEYS[first] on.
local function turns_at(first)
  return {order = KEYS[first], line = KEYS[first + 1], bodies = KEYS[first + 2],
          due_times = KEYS[first + 3], inbox = KEYS[first + 4]}
end

-- broken_turns(): why the turns cannot be written; nil when they can.
local function broken_turns(turns)
  return wrong_type(turns.order, 'hash') or wrong_type(turns.line, 'zset')
    or wrong_type(turns.bodies, 'hash') or wrong_type(turns.due_times, 'zset')
end

local function give_turn(order, deployment, place)
  redis.call('HSET', order, 's' .. deployment, place, 'e' .. place, deployment)
end

-- move_turn(): the entry that has the turn is somewhere else from now on.
local function move_turn(order, from, to)
  local deployment = redis.call('HGET', order, 'e' .. from)
  if not deployment then return end
  redis.call('HDEL', order, 'e' .. from)
  give_turn(order, deployment, to)
end

-- call_next(): gives the turn to the oldest that waits; false when nobody does.
local function call_next(turns, deployment)
  local from, till = '[' .. deployment .. '\0', '(' .. deployment .. '\1'
  local member = redis.call('ZRANGEBYLEX', turns.line, from, till, 'LIMIT', 0, 1)[1]
  if not member then return false end
  redis.call('ZREM', turns.line, member)
  local token = string.match(member, '^%Z*%z%Z*%z(.*)$')
  local body = redis.call('HGET', turns.bodies, token)
  local readable, fields = pcall(cmsgpack.unpack, body or '')
  local added = readable and not unfit(fields) and add(turns.inbox, fields, 1, #fields)
  if added then
    redis.call('HDEL', turns.bodies, token)
    give_turn(turns.order, deployment, turns.inbox .. '|' .. added)
  else
    -- Nothing that the inbox takes now: whoever promotes what is due tries again, or buries it.
    redis.call('ZADD', turns.due_times, text(now_ms()), token)
    give_turn(turns.order, deployment, 'delay|' .. token)
  end
  return true
end

-- is_over(): whether this answer to a settlement means that nobody will settle the entry any more.
local function is_over(reply)
  return reply == 'OK' or reply == 'DUPLICATE' or reply == 'GONE' or reply == 'LOST'
end

-- pass_turns(): what was at these places is settled: others' turn.
local function pass_turns(turns, places)
  if #places == 0 then return end
  local whose, left, passed = {}, {}, {}
  for i, place in ipairs(places) do whose[i] = 'e' .. place end
  for i, deployment in ipairs(redis.call('HMGET', turns.order, unpack(whose))) do
    -- The same delivery may be in a call twice; its turn passes on once.
    if deployment and not passed[deployment] then
      passed[deployment] = true
      left[#left + 1] = whose[i]
      left[#left + 1] = 's' .. deployment
    end
  end
  if #left == 0 then return end
  redis.call('HDEL', turns.order, unpack(left))
  if redis.call('ZCARD', turns.line) == 0 then return end
  for i = 2, #left, 2 do call_next(turns, string.sub(left[i], 2)) end
end
