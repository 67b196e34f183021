-- Giving back what a reservation took from a counter: the twin of the `give_back` of each arithmetic.
-- `find` reads, `give_back` writes. Nothing is given back where the counter was emptied since. What a
-- reservation took from one counter in several steps is given back to one and the same.

local counters = {}

local function find(t)
  t.key = base .. t.counter
  local f = redis.call('HMGET', t.key, 'id', 'kind', 'total', 'gone', 'tat')
  local id = tonumber(f[1])
  t.found = id == t.id and f[2] == t.kind and id > t.emptied
  if not t.found then
    return
  end
  if t.kind == 's' then
    redis.call('ZCARD', t.key .. ':o')
    in_chunks(t.names, function(from, to)
      local packed = redis.call('HMGET', t.key .. ':t', unpack(t.names, from, to))
      for i = from, to do
        t.names[i] = { name = t.names[i], packed = packed[i - from + 1] }
      end
    end)
  else
    counters[t.key] = counters[t.key] or {
      total = tonumber(f[3]),
      gone = tonumber(f[4]),
      tat = tonumber(f[5]),
      events = read_events(t.key .. ':e'),
    }
    t.of = counters[t.key]
  end
end

local function give_back_record(t, record)
  local h, events = read_touches(record.packed)
  local before = last_of(events)
  if give_back_of(events, h, t.at, 1) == 0 then
    return
  end
  if #events == 0 then
    redis.call('HDEL', t.key .. ':t', record.name)
    redis.call('ZREM', t.key .. ':o', record.name)
    return
  end
  redis.call('HSET', t.key .. ':t', record.name, pack_touches(h, events))
  if last_of(events) ~= before then
    redis.call('ZADD', t.key .. ':o', text(last_of(events)), record.name)
  end
end

local function give_back(t)
  if not t.found then
    return
  end
  if t.kind == 's' then
    for _, record in ipairs(t.names) do
      if record.packed then
        give_back_record(t, record)
      end
    end
    return
  end
  local c = t.of
  if give_back_of(c.events, c, t.at, t.cost) == 0 then
    return
  end
  if t.kind == 'r' then
    local tat = 0
    for i = 1, #c.events, 2 do
      tat = math.max(tat, c.events[i]) + c.events[i + 1]
    end
    c.tat = math.min(c.tat, tat)
  end
  write_events(t.key .. ':e', c.events)
  redis.call('HSET', t.key, 'total', text(c.total), 'tat', text(c.tat), 'last', text(last_of(c.events) or -1))
end
