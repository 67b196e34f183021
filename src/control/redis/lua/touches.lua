-- The touches of one record: a history of at most 8 events as one text, the twin of what `records.rs`
-- keeps for each record. `h.gone` is the moment up to which touches have left.

local TOUCHES = 8

local function read_touches(packed)
  local all = cmsgpack.unpack(packed)
  local h = { gone = all[1], total = all[2] }
  local events = {}
  for i = 3, #all do
    events[i - 2] = all[i]
  end
  return h, events
end

local function pack_touches(h, events)
  local all = { h.gone, h.total }
  for i = 1, #events do
    all[i + 2] = events[i]
  end
  return cmsgpack.pack(all)
end

local function touch(h, events, at)
  h.total = h.total + 1
  if #events > 0 and last_of(events) >= at then
    events[#events] = events[#events] + 1
  else
    events[#events + 1] = at
    events[#events + 1] = 1
  end
  if #events > TOUCHES * 2 then
    return join(events, TOUCHES)
  end
  return events
end
