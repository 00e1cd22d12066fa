-- Shows an epoch to a partition that it is about to be used in.
-- KEYS    1 the highest epoch seen there
-- ARGV    1 the epoch
-- Returns 1 go on | 0 somebody with a higher one has been there
-- Cost    one read, at most one write
return fenced(KEYS[1], ARGV[1]) and 0 or 1
