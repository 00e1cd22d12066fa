-- history_read_at_start: own entries are looked for by reading them again, which counts as a delivery of each.
-- Put before the text of adopt.
redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'STREAMS', KEYS[1], '0')

