-- follow_up: puts an entry aside that an ordered worker will find in its inbox when it is due.
-- KEYS 1 ledger, 2..6 turns (order, line, bodies, due times, inbox)
-- ARGV delay_ms, token, order (what it stands in line by), name, value, ...
-- Returns 1, or 0 when the token is put aside already
-- Cost: HEXISTS, HGET, then HSET and ZADD, and HSET for the turn.
-- Invariant: of one order one entry is delayed, in the inbox or pending; the others are in line behind
-- it, in the order in which they were put aside. The body is there before anything refers to it.
local ledger, turns = KEYS[1], turns_at(2)
local delay, token, order = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local refused = broken_turns(turns) or wrong_type(ledger, 'hash')
if refused then return redis.error_reply('WRONGTYPE ' .. refused) end
if redis.call('HEXISTS', turns.bodies, token) == 1 then return 0 end

local now, fields = now_ms(), {}
for i = 4, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', turns.bodies, token, cmsgpack.pack(fields))
if redis.call('HEXISTS', turns.order, 's' .. order) == 1 then
  -- Two of one millisecond: the line has become longer by the first.
  local place = age(text(now) .. '-' .. text(redis.call('ZCARD', turns.line)), 0)
  redis.call('ZADD', turns.line, 0, order .. '\0' .. place .. '\0' .. token)
else
  redis.call('ZADD', turns.due_times, text(now + delay), token)
  give_turn(turns.order, order, 'delay|' .. token)
end
tally(ledger, 'follow-up', 'put-aside', 1)
return 1
