-- Shared by take: which deployment an entry is about, as the event's decoder will say it.

-- id_in(): the deployment id in an entry's data, which is MessagePack or JSON.
local function id_in(data)
  local decode = cmsgpack.unpack
  if string.match(data, '^%s*{') then decode = cjson.decode end
  local readable, map = pcall(decode, data)
  return readable and type(map) == 'table' and map['deployment_id']
end

-- What a worker put aside for itself stands in line by this, not by its deployment.
local ORDER = 'printeryorder'

-- deployment_of(): nil where there is none that the contract allows: such an entry is in nobody's
-- way, it will be dead-lettered. `from` is where the entry's own fields begin.
local function deployment_of(fields, from)
  local id, data, order = nil, nil, nil
  for i = from, #fields, 2 do
    local name = fields[i]
    if not id and (name == 'subject' or name == 'deployment_id') then id = fields[i + 1] end
    if name == ORDER then order = fields[i + 1] end
    if not data and (name == 'data' or name == 'payload') then data = fields[i + 1] end
  end
  if order and #order <= 256 then return string.match(order, '^[%w_.:@-]+$') end
  if not id and data then id = id_in(data) end
  if type(id) ~= 'string' or #id > 128 then return nil end
  return string.match(id, '^[%w_.:-]+$')
end
