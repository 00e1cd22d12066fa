-- append: adds a record to a capped log.
-- KEYS 1 log
-- ARGV cap, name, value, ...
-- Returns id of the record
-- Cost: one XADD that cuts whole nodes off (`~`). With allow-oom: what makes room is logged as well.
-- Invariant: an answer means that the record is there.
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
