-- Shared by the settling scripts: who holds an entry, and with which delivery count.
-- Invariant: a stale owner is told so and writes nothing.

-- absent(): whether an error says that nobody can hold anything there: no stream, no group, or a
-- key of another type.
local function absent(err)
  return string.find(err, 'NOGROUP', 1, true) or string.find(err, 'WRONGTYPE', 1, true)
end

-- holdings(): one XPENDING over the whole batch instead of one per entry. `ids` ascend.
local function holdings(stream, group, me, ids)
  local own = {}
  local rows = redis.pcall('XPENDING', stream, group, ids[1], ids[#ids], #ids, me)
  if rows.err then
    -- Without stream or group nobody holds anything; any other error is a person's to mend.
    if string.find(rows.err, 'NOGROUP', 1, true) then return own, nil, true end
    return own, rows.err, false
  end
  for _, row in ipairs(rows) do own[row[1]] = row[4] end
  return own, nil, false
end

-- missing(): why an entry that is not pending at all is not; LOST when its body is gone as well.
local function missing(stream, id)
  local body = redis.pcall('XRANGE', stream, id, id)
  if body.err or body[1] then return 'GONE' end
  return 'LOST'
end

-- fence(): nil when `me` holds the entry with this count, otherwise what to answer. A fence is used
-- up by it: the same delivery twice in one call is settled once.
local function fence(stream, group, me, id, count, own, nogroup)
  if own[id] == 'used' then return 'GONE' end
  if own[id] == count then
    own[id] = 'used'
    return nil
  end
  if nogroup then return missing(stream, id) end
  -- The range read may have been filled by other rows of mine: ask for this one alone.
  local row = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if not row then return missing(stream, id) end
  if row[2] == me and row[4] == count then
    own[id] = 'used'
    return nil
  end
  return 'FENCED ' .. row[2] .. ' ' .. row[4]
end

-- wrong_type(): a sentence when a key that will be written is of another type.
local function wrong_type(key, expected)
  local found = redis.call('TYPE', key).ok
  if found == 'none' or found == expected then return nil end
  return 'REFUSED ' .. key .. ' is a ' .. found .. ', not a ' .. expected
end

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function text(number) return string.format('%.0f', number) end
