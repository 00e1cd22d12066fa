-- Takes records out of a hash of the fleet's, which its leader has judged to be over.
-- KEYS    1 the highest epoch seen of leaders; 2 the hash, of JSON records
-- ARGV    1 the leader's epoch; 2 a number that each record has; then field and that number of each, as they were found
-- Returns how many were taken away | -1 a later leader has been here
-- Cost    one read for each, one write
-- Invariant: a record that was written since it was judged stays.
if fenced(KEYS[1], ARGV[1]) then return -1 end
local over = {}
for i = 3, #ARGV, 2 do
    local known, record = pcall(cjson.decode, redis.call('HGET', KEYS[2], ARGV[i]) or '')
    local number = known and type(record) == 'table' and tonumber(record[ARGV[2]])
    if number and string.format('%.0f', number) == ARGV[i + 1] then over[#over + 1] = ARGV[i] end
end
if #over == 0 then return 0 end
return redis.call('HDEL', KEYS[2], unpack(over))
