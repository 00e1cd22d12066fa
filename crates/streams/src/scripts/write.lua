-- Shared by scripts that write several keys: writes that are refused instead of stopping a script
-- half-way, because Redis does not roll back what it did before.

-- Values that can be passed on to one command: Lua's stack holds 8000.
local WIDEST = 7900

-- unfit(): why `values` cannot be the names and values of an entry; nil when they can.
local function unfit(values)
  if type(values) ~= 'table' or #values == 0 or #values % 2 == 1 then return 'it is not a list of fields' end
  if #values > WIDEST then return 'it has ' .. #values / 2 .. ' fields, which is too wide' end
  for _, value in ipairs(values) do
    if type(value) ~= 'string' then return 'a field is not text' end
  end
  return nil
end

-- add(): adds an entry; its id, or nil and why the stream does not take it.
local function add(stream, values, from, till)
  if till < from then return nil, 'an entry needs a field' end
  if till - from >= WIDEST then return nil, 'an entry of ' .. till - from + 1 .. ' values is too wide' end
  local added = redis.pcall('XADD', stream, '*', unpack(values, from, till))
  if type(added) == 'table' then return nil, added.err end
  return added, nil
end

-- record(): appends to the settlement log; why not, or nil.
local function record(log, cap, ...)
  local added = redis.pcall('XADD', log, 'MAXLEN', '~', cap, '*', ...)
  if type(added) == 'table' then return added.err end
  return nil
end

-- tally(): counts outcomes. A counter that somebody broke is not worth a delivery.
local function tally(ledger, stream, outcome, by)
  if by > 0 then redis.pcall('HINCRBY', ledger, stream .. '|' .. outcome, by) end
end
