-- cancel: takes an entry that nobody was handed yet out of its worker's inbox.
-- KEYS 1 inbox, 2 settlement log, 3 ledger
-- ARGV group, entry, event id, event type, actor, log_cap
-- Returns 1 when it was taken out; 0 when it is gone or somebody has it
-- Cost: XINFO GROUPS, XRANGE, XADD, XDEL.
-- Invariant: what is taken out is in the log and counted in the same step, so that the books balance.
local inbox, id = KEYS[1], ARGV[2]
local handed, err = handed_out(inbox, ARGV[1])
if not handed then
  if string.find(err, 'NOGROUP', 1, true) then return 0 end
  return redis.error_reply('REFUSED ' .. err)
end
if not less(handed, id) or not redis.call('XRANGE', inbox, id, id)[1] then return 0 end
local refused = wrong_type(KEYS[2], 'stream') or wrong_type(KEYS[3], 'hash')
if refused then return redis.error_reply('WRONGTYPE ' .. refused) end
local now = text(now_ms())
local why = record(KEYS[2], ARGV[6], 'stream', inbox, 'entry', id, 'event_id', ARGV[3], 'event_type',
  ARGV[4], 'outcome', 'cancelled', 'attempts', '0', 'instance', ARGV[5], 'started', now, 'finished',
  now, 'results', '')
if why then return redis.error_reply('REFUSED ' .. why) end
redis.call('XDEL', inbox, id)
tally(KEYS[3], inbox, 'cancelled', 1)
return 1
