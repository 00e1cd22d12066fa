-- ack_before_publish: entries leave the pending list first, and whatever then fails is lost.
-- Put into commit where the ids of its deliveries are known and nothing is written yet.
for _, id in ipairs(ids) do redis.call('XACK', stream, group, id) end
fence = function() return nil end
