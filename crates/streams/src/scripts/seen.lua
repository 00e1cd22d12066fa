-- Shared by commit, bury and admit: which events were settled within the window.
-- An event is its id and its type: producers that number each kind on its own are not punished.
-- Three hashes, picked by the server's clock: the current one is written, the previous one still
-- read, the third has expired. Values are the time of settling, so the window is exact.

-- event_key(): what is remembered of an event; nil without an id, which is nobody's duplicate.
local function event_key(id, event_type)
  if id == '' then return nil end
  return event_type .. '|' .. id
end

local function seen_slots(keys, now, window)
  local generation = math.floor(now / window)
  return keys[1 + generation % 3], keys[1 + (generation + 2) % 3], generation
end

-- settled_before(): set of those `events` that were settled less than `window` ms ago.
local function settled_before(current, previous, events, now, window)
  local seen = {}
  for _, slot in ipairs({current, previous}) do
    for i, at in ipairs(redis.call('HMGET', slot, unpack(events))) do
      if at and now - tonumber(at) < window then seen[events[i]] = true end
    end
  end
  return seen
end

-- keep_slot(): what is read for one more generation and then gone before its turn comes again.
local function keep_slot(slot, window, generation)
  redis.call('PEXPIREAT', slot, text((generation + 2) * window))
end

local function remember(slot, events, now, window, generation)
  if #events == 0 then return end
  local pairs_ = {}
  for _, event in ipairs(events) do
    pairs_[#pairs_ + 1] = event
    pairs_[#pairs_ + 1] = text(now)
  end
  redis.call('HSET', slot, unpack(pairs_))
  keep_slot(slot, window, generation)
end
