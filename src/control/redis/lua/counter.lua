-- The counters: the twin of `counters.rs`, `gcra.rs`, `window.rs` and `records.rs`. `fit` reads and says
-- whether a demand fits; `take` writes, and reads nothing that `fit` has not read.
--
-- A demand stands in the arguments as
--
-- | place | what |
-- |---|---|
-- | 0 | the counter: c:LENGTH:COUNTED:KEY |
-- | 1 | its arithmetic: `r` rate, `w` window or gauge, `s` set of records |
-- | 2 | microseconds for one unit of a rate; else the window, 0 for a gauge |
-- | 3 | the burst, or the maximum |
-- | 4 | how many records are kept apart |
-- | 5 | past the limit: `deny`, `hold` or `stop` |
-- | 6 | how many are asked for |
-- | 7 | the mark that a resume empties it by |
-- | 8 | the limit |
-- | 9 | for the reason of a switch: what stands between used and wanted |
-- | 10 | how many records are named; they follow |

local ROOM = { r = 64, w = 256 }

-- The limit as a counter's name has it: by its name and by what it counts.
local function counted(name)
  local length, rest = string.match(name, '^c:(%d+):(.*)$')
  return string.sub(rest, 1, tonumber(length))
end

local function read_demand(from)
  local d = {
    name = ARGV[from],
    key = base .. ARGV[from],
    kind = ARGV[from + 1],
    size = tonumber(ARGV[from + 2]),
    most = tonumber(ARGV[from + 3]),
    room = tonumber(ARGV[from + 4]),
    action = ARGV[from + 5],
    amount = tonumber(ARGV[from + 6]),
    mark = ARGV[from + 7],
    limit = ARGV[from + 8],
    counted = counted(ARGV[from]),
    reason = ARGV[from + 9],
    names = {},
    over = false,
  }
  local count = tonumber(ARGV[from + 10])
  for i = 1, count do
    d.names[i] = ARGV[from + 10 + i]
  end
  return d, from + 11 + count
end

local function read_demands(from)
  local demands = {}
  local count = tonumber(ARGV[from])
  from = from + 1
  for i = 1, count do
    demands[i], from = read_demand(from)
  end
  return demands, from
end

-- What was emptied, and which windows a reload changed. Such a mark is how long everything is kept, the
-- window and, for each time that it became another one, a number and the moment up to which all was told anew.
local function read_marks(demands)
  local wanted = {}
  for i, d in ipairs(demands) do
    d.emptied, d.floor, d.cut, d.number = 0, 0, -1, 0
    wanted[i * 2 - 1], wanted[i * 2] = d.mark, 'f:' .. d.counted
  end
  if not state.marked then
    return
  end
  in_chunks(demands, function(from, to)
    local marks = redis.call('HMGET', base .. 'marks', unpack(wanted, from * 2 - 1, to * 2))
    for i = from, to do
      local d, place = demands[i], (i - from) * 2
      d.emptied = tonumber(marks[place + 1]) or 0
      if marks[place + 2] then
        local told = {}
        for number in string.gmatch(marks[place + 2], '-?%d+') do
          told[#told + 1] = tonumber(number)
        end
        d.floor, d.window, d.told, d.number = told[1], told[2], told, told[#told - 1]
      end
    end
  end)
end

-- What is known of a demand's counter. One that was emptied starts anew.
local function load(d)
  local f = redis.call('HMGET', d.key, 'id', 'total', 'gone', 'tat', 'last', 'seen', 'size', 'most')
  d.id = tonumber(f[1])
  d.there = d.id ~= nil
  d.fresh = not d.there or d.id <= d.emptied
  d.total, d.gone, d.tat, d.last, d.seen = 0, -1, 0, -1, d.number
  d.was_size, d.was_most = tonumber(f[7]), tonumber(f[8])
  if not d.fresh then
    d.total, d.gone, d.tat = tonumber(f[2]), tonumber(f[3]), tonumber(f[4])
    d.last, d.seen = tonumber(f[5]), tonumber(f[6])
    d.as_stored = d.seen == d.number and d.was_size == d.size and d.was_most == d.most
    for i = 3, #(d.told or {}), 2 do
      if d.told[i] > d.seen then
        d.cut = math.max(d.cut, d.told[i + 1])
      end
    end
  end
end

local function keep(d)
  return d.size > 0 and math.max(d.size, d.floor) or 0
end

local function cost(d, amount)
  return math.min(amount * d.size, MOST)
end

local function missing(d, now)
  return math.max(d.tat - now, 0)
end

-- The bucket at this rate. What was charged at another one counts as so many units of this one, each at its
-- time; past the burst they only empty the bucket.
local function restate(d, now)
  if d.fresh or d.tat <= now or (d.was_size == d.size and d.was_most == d.most) then
    return
  end
  local events, total, tat = read_events(d.key .. ':e'), 0, 0
  d.events = {}
  for i = 1, #events, 2 do
    local at, rest = events[i], events[i + 1] % d.was_size
    local units = (events[i + 1] - rest) / d.was_size + (rest > 0 and 1 or 0)
    local amount = cost(d, units)
    tat = math.max(tat, at) + math.min(amount, math.max(cost(d, d.most) - math.max(tat - at, 0), 0))
    amount = math.min(amount, MOST - total)
    if amount > 0 then
      d.events[#d.events + 1], d.events[#d.events + 2] = at, amount
    end
    total = total + amount
  end
  d.total, d.tat, d.last = total, tat, last_of(d.events) or -1
end

local function rate_used(d, now)
  return math.ceil(missing(d, now) / d.size)
end

local function fit_rate(d, now, wanted)
  redis.call('LLEN', d.key .. ':e')
  restate(d, now)
  local fits = math.floor(math.max(cost(d, d.most) - missing(d, now), 0) / d.size)
  local fit = { used = rate_used(d, now), fits = fits, over = fits < wanted, alone = d.amount > d.most }
  if not fit.alone then
    fit.free_at = d.tat - math.max(cost(d, d.most) - cost(d, wanted), 0)
  end
  return fit
end

local function budget_fit(d, used, excess, whole, free_at)
  local fit = { used = used, fits = math.max(d.most - used, 0), over = excess > 0, alone = whole > d.most }
  if fit.over and not fit.alone and d.action ~= 'hold' then
    fit.free_at = free_at(excess)
  end
  return fit
end

-- What a window holds at a moment; notes what leaves.
local function window_used(d, now)
  local list = d.key .. ':e'
  if d.fresh then
    redis.call('LLEN', list)
    return 0
  end
  if d.size == 0 then
    redis.call('LLEN', list)
    return d.total
  end
  local through = math.max(now - keep(d), d.cut)
  d.leaving, d.leaving_sum, d.left_at = front(list, through)
  local after = math.max(now - d.size, d.cut)
  if after == through then
    return d.total - d.leaving_sum
  end
  local _, sum = front(list, after)
  return d.total - sum
end

local function window_freed_at(d, now, excess)
  if d.size == 0 then
    return nil
  end
  local events, freed = read_events(d.key .. ':e'), 0
  for i = 1, #events, 2 do
    if events[i] > math.max(now - d.size, d.cut) then
      freed = freed + events[i + 1]
      if freed >= excess then
        return events[i] + d.size
      end
    end
  end
  return nil
end

local function fit_window(d, now, wanted)
  local used = window_used(d, now)
  local excess = math.max(used + wanted - d.most, 0)
  return budget_fit(d, used, excess, d.amount, function(amount)
    return window_freed_at(d, now, amount)
  end)
end

-- The moment after which touches count, as the server reads bounds.
local function after(d, now)
  if d.size == 0 then
    return -1
  end
  return math.max(now - d.size, d.cut)
end

local function records_used(d, now)
  if d.fresh then
    redis.call('ZCARD', d.key .. ':o')
    return 0
  end
  return redis.call('ZCOUNT', d.key .. ':o', '(' .. text(after(d, now)), '+inf')
end

-- Reads the touches of the records that are asked for; says how many do not count.
local function new_records(d, now)
  d.touches = {}
  local new, kept = 0, math.max(d.size > 0 and now - keep(d) or -1, d.cut)
  in_chunks(d.names, function(from, to)
    local packed = redis.call('HMGET', d.key .. ':t', unpack(d.names, from, to))
    for i = from, to do
      local found = not d.fresh and packed[i - from + 1]
      local last
      if found then
        local h, events = read_touches(found)
        last = last_of(events)
        if last > kept then
          d.touches[i] = { h, events }
        end
      end
      if not last or last <= after(d, now) then
        new = new + 1
      end
    end
  end)
  return new
end

local function records_freed_at(d, now, excess)
  if d.size == 0 or d.fresh then
    return nil
  end
  local asker, from = {}, 0
  for _, name in ipairs(d.names) do
    asker[name] = true
  end
  while true do
    local part = redis.call('ZRANGEBYSCORE', d.key .. ':o', '(' .. text(after(d, now)), '+inf',
      'WITHSCORES', 'LIMIT', from, CHUNK)
    for i = 1, #part, 2 do
      if not asker[part[i]] then
        excess = excess - 1
        if excess == 0 then
          return tonumber(part[i + 1]) + d.size
        end
      end
    end
    if #part < CHUNK * 2 then
      return nil
    end
    from = from + CHUNK
  end
end

local function fit_records(d, now, wanted)
  local used, new = records_used(d, now), new_records(d, now)
  -- touching a record again costs nothing, but past a threshold it is past it still
  local excess = 0
  if new > 0 or d.action == 'hold' then
    excess = math.max(used + new - d.most, 0)
  end
  return budget_fit(d, used, excess, math.max(d.amount, wanted), function(amount)
    return records_freed_at(d, now, amount)
  end)
end

local FIT = { r = fit_rate, w = fit_window, s = fit_records }

-- Whether a demand fits now; reads only.
local function fit(d, now, wanted)
  load(d)
  return FIT[d.kind](d, now, wanted)
end

local function clear(key)
  redis.call('DEL', key, key .. ':e', key .. ':o', key .. ':t')
end

local function take_rate(d, now, wanted)
  local list = d.key .. ':e'
  if d.events then
    write_events(list, d.events)
  end
  if d.tat <= now and d.last >= 0 then
    d.total, d.gone, d.last = 0, d.last, -1
    redis.call('DEL', list)
  end
  local taken = math.min(cost(d, wanted), math.max(cost(d, d.most) - missing(d, now), 0))
  d.tat = math.max(d.tat, now) + taken
  push(list, d, ROOM.r, now, taken)
  return taken
end

local function take_window(d, now, wanted)
  local list = d.key .. ':e'
  if (d.leaving or 0) > 0 then
    redis.call('LTRIM', list, d.leaving * 2, -1)
    d.total, d.gone = d.total - d.leaving_sum, d.left_at
  end
  push(list, d, ROOM.w, now, wanted)
  return wanted
end

-- Lets go of records that were touched last up to a moment.
local function drop_records(d, through)
  local order = d.key .. ':o'
  while true do
    local part = redis.call('ZRANGEBYSCORE', order, '-inf', text(through), 'WITHSCORES', 'LIMIT', 0, CHUNK)
    if #part == 0 then
      return
    end
    local names = {}
    for i = 1, #part, 2 do
      names[#names + 1] = part[i]
      d.gone = math.max(d.gone, tonumber(part[i + 1]))
    end
    redis.call('HDEL', d.key .. ':t', unpack(names))
    redis.call('ZREM', order, unpack(names))
  end
end

-- Keeps the records that were touched last.
local function shrink_records(d)
  local order = d.key .. ':o'
  local many = redis.call('ZCARD', order) - d.room
  while many > 0 do
    local part = redis.call('ZPOPMIN', order, math.min(many, CHUNK))
    local names = {}
    for i = 1, #part, 2 do
      names[#names + 1] = part[i]
      d.gone = math.max(d.gone, tonumber(part[i + 1]))
    end
    redis.call('HDEL', d.key .. ':t', unpack(names))
    many = many - #names
  end
end

local function take_records(d, now, wanted)
  if d.cut >= 0 then
    drop_records(d, d.cut)
    d.gone = -1
  end
  if d.size > 0 then
    drop_records(d, now - keep(d))
  end
  local order, touches = {}, {}
  for i, name in ipairs(d.names) do
    local known = d.touches[i] or { { gone = d.gone, total = 0 }, {} }
    order[i * 2 - 1], order[i * 2] = text(now), name
    touches[i * 2 - 1], touches[i * 2] = name, pack_touches(known[1], touch(known[1], known[2], now))
  end
  in_chunks(d.names, function(from, to)
    redis.call('ZADD', d.key .. ':o', unpack(order, from * 2 - 1, to * 2))
    redis.call('HSET', d.key .. ':t', unpack(touches, from * 2 - 1, to * 2))
  end)
  shrink_records(d)
  return wanted
end

local TAKE = { r = take_rate, w = take_window, s = take_records }

-- When to look whether a counter is idle: a gauge empties by no clock.
local function idle_at(d, now)
  if d.kind == 'r' then
    return d.tat
  end
  return d.size > 0 and now + keep(d) or nil
end

local function save(d)
  local fields = { 'gone', text(d.gone), 'total', text(d.total), 'last', text(d.last) }
  if d.kind == 'r' or d.fresh then
    fields[7], fields[8] = 'tat', text(d.tat)
  end
  if not d.as_stored then
    for name, number in pairs({ seen = d.number, size = d.size, most = d.most }) do
      fields[#fields + 1] = name
      fields[#fields + 1] = text(number)
    end
  end
  redis.call('HSET', d.key, unpack(fields))
end

-- Takes a demand, whether it fits or not, and says what the counter's arithmetic took for it.
local function take(d, now, wanted)
  if d.fresh then
    if d.there then
      clear(d.key)
    end
    state.made = state.made + 1
    d.id = state.made
    redis.call('HSET', d.key, 'id', text(d.id), 'kind', d.kind, 'mark', d.mark)
  elseif d.events then
    -- what was taken at another rate is not this counter's to give back
    state.made = state.made + 1
    d.id = state.made
    redis.call('HSET', d.key, 'id', text(d.id))
  end
  local taken = TAKE[d.kind](d, now, wanted)
  save(d)
  if d.fresh then
    local at = idle_at(d, now)
    redis.call('ZADD', base .. 'index', at and text(at) or '+inf', d.name)
  end
  return taken
end
