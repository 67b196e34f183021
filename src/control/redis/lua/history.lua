-- What was taken when, oldest first, in bounded memory: the twin of `history.rs`. Events stand as
-- moment, amount, moment, amount …; in a list of the server, or in a table.

local function last_of(events)
  return events[#events - 1]
end

-- Halves the events: neighbours are joined under the later moment of the two.
local function join(events, room)
  local span = last_of(events) - events[1]
  local least = math.floor(span / math.max(math.floor(room / 2), 1)) + 1
  local step = 1
  while step < least do
    step = step * 2
  end
  local joined = {}
  for i = 1, #events, 2 do
    local before = last_of(joined)
    if before and math.floor(before / step) == math.floor(events[i] / step) then
      joined[#joined - 1] = events[i]
      joined[#joined] = joined[#joined] + events[i + 1]
    else
      joined[#joined + 1] = events[i]
      joined[#joined + 1] = events[i + 1]
    end
  end
  return joined
end

local function numbers(texts)
  local list = {}
  for i = 1, #texts do
    list[i] = tonumber(texts[i])
  end
  return list
end

local function read_events(key)
  return numbers(redis.call('LRANGE', key, 0, -1))
end

local function write_events(key, events)
  local texts = {}
  for i = 1, #events do
    texts[i] = text(events[i])
  end
  redis.call('DEL', key)
  if #texts > 0 then
    redis.call('RPUSH', key, unpack(texts))
  end
end

-- The events of a list up to a moment: how many, what they come to, and the last one's moment.
local function front(key, through)
  local count, sum, last = 0, 0, nil
  local from, size = 0, 2
  while true do
    local part = redis.call('LRANGE', key, from, from + size - 1)
    for i = 1, #part, 2 do
      local at = tonumber(part[i])
      if at > through then
        return count, sum, last
      end
      count, sum, last = count + 1, sum + tonumber(part[i + 1]), at
    end
    if #part < size then
      return count, sum, last
    end
    from, size = from + size, 64
  end
end

-- Adds at the end of a list; `h` is what the counter knows of it, the last event's moment among it.
local function push(key, h, room, at, amount)
  amount = math.min(amount, MOST - h.total)
  if amount <= 0 then
    return
  end
  h.total = h.total + amount
  if h.last >= at then
    redis.call('LSET', key, -1, text(tonumber(redis.call('LINDEX', key, -1)) + amount))
    return
  end
  h.last = at
  if redis.call('RPUSH', key, text(at), text(amount)) > room * 2 then
    write_events(key, join(read_events(key), room))
  end
end

-- Takes out of a table what was added at a moment; says how much was there.
local function give_back_of(events, h, at, amount)
  if at <= h.gone then
    return 0
  end
  for i = 1, #events, 2 do
    if events[i] >= at then
      local given = math.min(amount, events[i + 1])
      events[i + 1] = events[i + 1] - given
      h.total = h.total - given
      if events[i + 1] == 0 then
        table.remove(events, i)
        table.remove(events, i)
      end
      return given
    end
  end
  return 0
end

-- Puts before the first event of a table what was forgotten there, oldest first.
local function put_back(events, h, room, older)
  for i = #older - 1, 1, -2 do
    local amount = math.min(older[i + 1], MOST - h.total)
    h.total = h.total + amount
    if events[1] and events[1] <= older[i] then
      events[2] = events[2] + amount
    elseif amount > 0 then
      table.insert(events, 1, amount)
      table.insert(events, 1, older[i])
    end
  end
  if events[1] then
    h.gone = math.min(h.gone, events[1] - 1)
  end
  if #events > room * 2 then
    return join(events, room)
  end
  return events
end
