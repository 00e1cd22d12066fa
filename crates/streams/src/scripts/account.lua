-- account: what one stream, one group of it and the ledger say at one instant.
-- KEYS 1 stream, 2 ledger
-- ARGV group
-- Returns {type of 1, ms until 1 expires or -1, facts of the stream, facts of the group,
--      {pending, first, last}, type of 2, ledger as names and values}; facts are names and values
--      of XINFO, empty where there is nothing
-- Cost: XINFO STREAM, XINFO GROUPS, XPENDING, HGETALL of a few dozen counters. Writes nothing.
local stream, ledger, group = KEYS[1], KEYS[2], ARGV[1]
local kind, ledger_kind = redis.call('TYPE', stream).ok, redis.call('TYPE', ledger).ok
local counts = {}
if ledger_kind == 'hash' then counts = redis.call('HGETALL', ledger) end
local expires = redis.call('PTTL', stream)
if kind ~= 'stream' then return {kind, expires, {}, {}, {0, false, false}, ledger_kind, counts} end

local wanted = {['length'] = true, ['last-generated-id'] = true, ['max-deleted-entry-id'] = true,
                ['entries-added'] = true, ['recorded-first-entry-id'] = true}
local info, facts = redis.call('XINFO', 'STREAM', stream), {}
for i = 1, #info, 2 do
  if wanted[info[i]] then
    facts[#facts + 1] = info[i]
    facts[#facts + 1] = info[i + 1]
  end
end
local position, pending = {}, {0, false, false}
for _, one in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  for i = 1, #one, 2 do
    if one[i] == 'name' and one[i + 1] == group then position = one end
  end
end
if #position > 0 then
  local summary = redis.call('XPENDING', stream, group)
  pending = {summary[1], summary[2], summary[3]}
end
return {kind, expires, facts, position, pending, ledger_kind, counts}
