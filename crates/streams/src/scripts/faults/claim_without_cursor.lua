-- claim_without_cursor: every sweep begins at the start of the pending list.
-- Put before the text of reclaim.
ARGV[7] = '-'

