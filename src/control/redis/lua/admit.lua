-- Takes all charges and locks of an ask, or none; the kill switches are looked at in the same step. What
-- the reservation holds already is not taken again, so that an ask whose answer was lost is repeated.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | the reservation |
-- | ARGV[9] | the service account |
-- | ARGV[10] | the request's time, for a switch that is thrown |
-- | ARGV[11] | how long the reservation lasts unless it is renewed, in milliseconds |
-- | ARGV[12] | who waits in line counts as there for so many microseconds without asking again |
-- | ARGV[13] | `wait`: get in line for locks that are busy; `last`: leave the line; empty: not in line |
-- | ARGV[14] | the place in line that a former answer told; empty: none |
-- | ARGV[15] | how many locks; they follow |
-- | … | how many demands; they follow (see `counter.lua`) |
--
-- | answer | what |
-- |---|---|
-- | granted, GRANTS, VERSION, {DEMAND …} | the numbers are of demands past a threshold |
-- | limited, CLOCK, DEMAND, USED, FITS, WANTED, ALONE, FREE AT or -1, SWITCH or '' | ALONE is 0 or 1 |
-- | stopped, SWITCH | |
-- | busy, LOCK, PLACE | LOCK is its number |
-- | ended | the reservation was given up before the ask came |

local id, account = ARGV[8], ARGV[9]
local locks = {}
for i = 1, tonumber(ARGV[15]) do
  locks[i] = ARGV[15 + i]
end
local no = fence()
if no then
  return no
end
local demands = read_demands(16 + #locks)
local now = moment()

-- What every answer leaves behind that is not a grant.
local function refuse(answer)
  if ARGV[14] ~= '' then
    leave(locks, id)
    wake(locks)
  end
  if now > state.latest then
    redis.call('HSET', KEYS[1], 'latest', text(now))
  end
  return answer
end

local stop = stopping(account)
local packed = redis.call('GET', base .. 'r:' .. id)
local held = packed and cmsgpack.unpack(packed) or { taken = {}, locks = {} }
if held.ended then
  return { 'ended' }
end
crowd()
if stop then
  return refuse({ 'stopped', stop })
end

-- What is wanted of each limit: less what the reservation holds already.
read_marks(demands)
for _, d in ipairs(demands) do
  local units, names = 0, {}
  for _, t in ipairs(held.taken) do
    if t.counter == d.name then
      units = units + t.units
      d.over = d.over or t.over
      for _, name in ipairs(t.names or {}) do
        names[name] = true
      end
    end
  end
  d.wanted = math.max(d.amount - units, 0)
  if d.kind == 's' then
    local left = {}
    for _, name in ipairs(d.names) do
      if not names[name] then
        left[#left + 1] = name
      end
    end
    d.names, d.wanted = left, #left
  end
end

-- Reported is a demand that never fits, else one that trips, else the one with the longest wait.
local function heavier(a, b)
  for i = 1, 3 do
    if a[i] ~= b[i] then
      return a[i] > b[i]
    end
  end
  return false
end

local worst, weight
local new = false
for i, d in ipairs(demands) do
  if d.wanted > 0 then
    d.fit = fit(d, now, d.wanted)
    new = new or d.fresh
    if d.action == 'hold' then
      d.over = d.over or d.fit.over
    elseif d.fit.over then
      local own = { d.fit.alone and 1 or 0, d.action == 'stop' and 1 or 0, d.fit.free_at or math.huge }
      if not weight or heavier(own, weight) then
        worst, weight = i, own
      end
    end
  end
end
if new then
  redis.call('ZCARD', base .. 'index')
end
if worst then
  local d = demands[worst]
  local switch = ''
  if d.action == 'stop' and not d.fit.alone then
    switch = thrown_by(d, account, ARGV[10], d.fit.used, d.wanted)
    throw(account, switch)
  end
  return refuse({ 'limited', clock, worst, d.fit.used, d.fit.fits, d.wanted, d.fit.alone and 1 or 0,
    d.fit.free_at or -1, switch })
end

local place = tonumber(ARGV[14]) or state.place + (#held.locks > 0 and 0 or EMPTY_HANDED)
local taken_by_other = busy(locks, id, place)
if taken_by_other then
  if ARGV[13] ~= 'wait' then
    return refuse({ 'busy', taken_by_other, -1 })
  end
  queue(locks, id, place, tonumber(ARGV[12]))
  redis.call('HSET', KEYS[1], 'latest', text(now), 'place', text(state.place + 1))
  return { 'busy', taken_by_other, place }
end

-- From here on everything is taken.
local over, forever = {}, false
for i, d in ipairs(demands) do
  if d.wanted > 0 then
    local gauge = d.kind ~= 'r' and d.size == 0
    held.taken[#held.taken + 1] = {
      counter = d.name,
      kind = d.kind,
      mark = d.mark,
      at = now,
      units = d.wanted,
      cost = take(d, now, d.wanted),
      id = d.id,
      names = d.kind == 's' and d.names or nil,
      over = d.over,
      gauge = gauge,
    }
  end
  if d.over then
    over[#over + 1] = i
  end
end
for _, t in ipairs(held.taken) do
  forever = forever or t.gauge
end
if #locks > 0 then
  local mine = {}
  for _, lock in ipairs(held.locks) do
    mine[lock] = true
  end
  for _, lock in ipairs(locks) do
    if not mine[lock] then
      held.locks[#held.locks + 1] = lock
    end
  end
  hold_locks(locks, id)
end
if ARGV[14] ~= '' then
  leave(locks, id)
end
if forever then
  redis.call('SET', base .. 'r:' .. id, cmsgpack.pack(held))
  redis.call('ZADD', base .. 'index', '+inf', 'r:' .. id)
else
  redis.call('SET', base .. 'r:' .. id, cmsgpack.pack(held), 'PX', ARGV[11])
end
state.grants = state.grants + 1
redis.call('HSET', KEYS[1], 'grants', text(state.grants), 'latest', text(now), 'made', text(state.made))
return { 'granted', state.grants, state.version, over }
