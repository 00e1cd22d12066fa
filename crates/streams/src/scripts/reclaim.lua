-- reclaim: takes over entries whose owner has been silent for longer than the lease.
-- KEYS 1 stream, 2 dead letters, 3 ledger, 4..8 turns
-- ARGV group, consumer, worker, min_idle_ms, poison_at, page, cursor ('-' or the last id seen),
--      limit (free slots), suspect_at (deliveries from which an entry runs alone), running, ordered,
--      then id, count of rows that have not aged for so long that nobody renews them
-- Returns {cursor, {{id, count, previous owner, pairs}, ...}, lost ids, suspects left for later,
--      {id, count, ...} of others' rows that have no age}
-- Cost: at most `page` rows of the pending list; one XCLAIM per entry taken.
-- Invariant: never touches this consumer's own rows; a take-over raises the count by one, so the
-- previous owner's fence is void. An entry without a body cannot be claimed: it is dead-lettered
-- here, with what is known of it, and its id is returned.
-- After the server's clock was set back, rows from before are of no age until it has caught up: only
-- the caller's own clock can tell that they do not change.
local stream, dead_letters, ledger = KEYS[1], KEYS[2], KEYS[3]
local group, me, worker = ARGV[1], ARGV[2], ARGV[3]
local min_idle, poison_at, page = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local cursor, limit, suspect_at = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local running, turns = tonumber(ARGV[10]), ARGV[11] == '1' and turns_at(4)

local from = cursor
if from ~= '-' then from = '(' .. from end
local rows = redis.pcall('XPENDING', stream, group, from, '+', page)
if rows.err then
  if absent(rows.err) then return {'-', {}, {}, 0, {}} end
  return rows
end
local stuck = turns and broken_turns(turns) and {err = 'the turns cannot be written'}
local taken, lost, suspects, ageless, last, cut = {}, {}, 0, {}, nil, false
local frozen = {}
for i = 12, #ARGV, 2 do frozen[ARGV[i]] = tonumber(ARGV[i + 1]) end
for _, row in ipairs(rows) do
  if #taken >= limit then cut = true; break end
  last = row[1]
  local id, owner, idle, count = row[1], row[2], row[3], row[4]
  local unmoved = idle == 0 and frozen[id] == count
  if owner ~= me and idle == 0 and not unmoved then
    ageless[#ageless + 1] = id
    ageless[#ageless + 1] = count
  end
  if owner ~= me and (idle >= min_idle or unmoved) then
    local poison = count >= poison_at
    if not redis.call('XRANGE', stream, id, id)[1] then
      local t = text(now_ms())
      -- A broken key must not stop the sweep of the others: the row just stays.
      local added = stuck or redis.pcall('XADD', dead_letters, '*', 'id', stream .. '/' .. id, 'event_id', '',
        'original_stream', stream, 'original_entry', id, 'worker', worker,
        'failure_reason', 'lost_body', 'failure_detail',
        'the entry was trimmed or deleted while it was pending', 'attempt_count', text(count),
        'first_failure_at', t, 'last_failure_at', t, 'data', '', 'status', 'pending',
        'fingerprint', 'lost_body', 'replay_count', '0', 'instance', owner)
      if not (type(added) == 'table' and added.err) then
        redis.call('XACK', stream, group, id)
        tally(ledger, stream, 'lost', 1)
        lost[#lost + 1] = id
        if turns then pass_turns(turns, {stream .. '|' .. id}) end
      end
    elseif count >= suspect_at and not poison and (#taken > 0 or running > 0) then
      suspects = suspects + 1
    else
      local claimed = redis.call('XCLAIM', stream, group, me, 0, id)[1]
      if claimed then taken[#taken + 1] = {id, count + 1, owner, claimed[2]} end
      if count >= suspect_at and not poison then cut = true; break end
    end
  end
end
if #rows < page and not cut then last = '-' end
return {last or cursor, taken, lost, suspects, ageless}
