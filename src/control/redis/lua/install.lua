-- Puts a new state in place of what there is: `begin` names a generation, `fill` puts counters into it,
-- `open` puts it in force, all of it in one step, or not if anything of it is missing.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | `begin`, `fill` or `open` |
-- | ARGV[9] | begin: the epoch; else the generation |
-- | ARGV[10] | begin: how the owner's predecessors on this machine begin; fill: the part's number; open: the epoch |
-- | ARGV[11] | begin: for how many milliseconds the deployment is the owner's; fill: how many items, they follow; open: how many parts there are |
-- | ARGV[12…] | open: the version of the switches that the caller knows, the latest moment, the counters made, then service account and JSON of each thrown switch |
--
-- An item is a counter, or what a gauge's reservation holds
--
-- | place | counter | reservation |
-- |---|---|---|
-- | 0 | `c` | `r` |
-- | 1 | c:LENGTH:LIMIT:KEY | its id |
-- | 2 | kind, id, total, gone, tat, size, most, mark | counter, kind, mark, at, units, cost, id of the counter |
-- | … | when to look whether it is idle, or +inf | |
-- | … | `w`, `r`: how many numbers of events; they follow | |
-- | … | `s`: how many records; for each its name, gone, total, how many numbers of touches; they follow | |
--
-- The answer: begun, GENERATION, filled, or opened, VERSION.

local function late_or_off()
  if ARGV[6] ~= '' and clock > tonumber(ARGV[6]) then
    return { 'late' }
  end
  local ahead = ARGV[5] ~= '' and tonumber(ARGV[5]) - clock or 0
  if ahead > SKEW or ahead < -SKEW then
    return { 'clock', ahead }
  end
end

-- Somebody who uses the deployment and must not: next to an owner, anybody else.
local function other()
  local owner = redis.call('GET', prefix .. 'alone')
  if owner and owner ~= ARGV[4] then
    local kin = ARGV[8] == 'begin' and ARGV[4] ~= '' and string.sub(owner, 1, #ARGV[10]) == ARGV[10]
    if not kin then
      return owner
    end
  end
  if ARGV[4] ~= '' and state.generation and state.owner == '' then
    local all = redis.call('HGETALL', prefix .. 'replicas')
    for i = 1, #all, 2 do
      local at = tonumber(string.match(all[i + 1], ' (%d+)$') or 0)
      if at > clock - 5000000 then
        return all[i]
      end
    end
  end
end

local function begin()
  local owner = other()
  if owner then
    return { 'taken', owner, redis.call('PTTL', prefix .. 'alone') }
  end
  local epoch = tonumber(ARGV[9])
  if state.generation and state.owner == ARGV[4] and state.home == home() and state.epoch > epoch then
    return { 'newer', state.generation, state.epoch, state.grants, state.version }
  end
  local generation = ARGV[9] .. '-' .. text(clock)
  redis.call('ZADD', prefix .. 'generations', text(clock), generation)
  redis.call('HSET', prefix .. generation .. ':built', 'home', home(), 'parts', 0)
  if ARGV[4] ~= '' then
    redis.call('SET', prefix .. 'alone', ARGV[4], 'PX', ARGV[11])
  end
  return { 'begun', generation }
end

local own = prefix .. ARGV[9] .. ':'

-- What does not hold of the generation that is being built.
local function broken(parts)
  local built = redis.call('HMGET', own .. 'built', 'home', 'parts')
  if not built[1] or built[1] ~= home() then
    return { 'lost', 'it was lost while it was rebuilt' }
  end
  if tonumber(built[2]) ~= parts then
    return { 'lost', 'a part of it is missing' }
  end
end

local at = 12
local function arg()
  at = at + 1
  return ARGV[at - 1]
end

local function numbers_of(count)
  local list = {}
  for i = 1, count do
    list[i] = arg()
  end
  return list
end

local function fill_counter(name)
  local key = own .. name
  local kind, id, total, gone, tat, size, most, mark = unpack(numbers_of(8))
  redis.call('HSET', key, 'kind', kind, 'id', id, 'total', total, 'gone', gone, 'tat', tat, 'size', size,
    'most', most, 'mark', mark, 'seen', 0, 'last', -1)
  redis.call('ZADD', own .. 'index', arg(), name)
  if kind ~= 's' then
    local events = numbers_of(tonumber(arg()))
    if #events > 0 then
      redis.call('RPUSH', key .. ':e', unpack(events))
      redis.call('HSET', key, 'last', last_of(events))
    end
    return
  end
  for _ = 1, tonumber(arg()) do
    local record = arg()
    local h = { gone = tonumber(arg()), total = tonumber(arg()) }
    local events = numbers(numbers_of(tonumber(arg())))
    redis.call('HSET', key .. ':t', record, pack_touches(h, events))
    redis.call('ZADD', key .. ':o', text(last_of(events)), record)
  end
end

local function fill_reservation(id)
  local key = own .. 'r:' .. id
  local before = redis.call('GET', key)
  local held = before and cmsgpack.unpack(before) or { taken = {}, locks = {} }
  local counter, kind, mark, taken_at, units, cost, counter_id = unpack(numbers_of(7))
  held.taken[#held.taken + 1] = {
    counter = counter,
    kind = kind,
    mark = mark,
    at = tonumber(taken_at),
    units = tonumber(units),
    cost = tonumber(cost),
    id = tonumber(counter_id),
    over = false,
    gauge = true,
  }
  redis.call('SET', key, cmsgpack.pack(held))
  redis.call('ZADD', own .. 'index', '+inf', 'r:' .. id)
end

local function fill()
  local part = tonumber(ARGV[10])
  if tonumber(redis.call('HGET', own .. 'built', 'parts')) == part then
    return { 'filled' }
  end
  local no = broken(part - 1)
  if no then
    return no
  end
  for _ = 1, tonumber(ARGV[11]) do
    local what = arg()
    if what == 'c' then
      fill_counter(arg())
    else
      fill_reservation(arg())
    end
  end
  redis.call('HSET', own .. 'built', 'parts', part)
  return { 'filled' }
end

local function open()
  local generation, epoch = ARGV[9], tonumber(ARGV[10])
  if state.generation == generation then
    return { 'opened', state.version }
  end
  local owner = other()
  if owner then
    return { 'taken', owner, redis.call('PTTL', prefix .. 'alone') }
  end
  if state.generation and state.home == home() and state.owner == ARGV[4] and state.epoch > epoch then
    return { 'newer', state.generation, state.epoch, state.grants, state.version }
  end
  local no = broken(tonumber(ARGV[11]))
  if no then
    return no
  end
  local known, latest, made = arg(), arg(), arg()
  -- No version of one epoch is one of another: permits are compared by it.
  local version = math.max(epoch * 16777216, tonumber(known), state.version) + 1
  while ARGV[at] do
    redis.call('HSET', own .. 'switches', arg(), text(version) .. ' ' .. arg())
    version = version + 1
  end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'generation', generation, 'epoch', text(epoch), 'home', home(), 'grants', 0,
    'owner', ARGV[4], 'version', text(version), 'latest', text(math.max(tonumber(latest), state.latest)), 'made', made, 'place', 0)
  redis.call('DEL', own .. 'built')
  redis.call('PUBLISH', news, 's')
  return { 'opened', version }
end

local STEPS = { begin = begin, fill = fill, open = open }
return late_or_off() or STEPS[ARGV[8]]()
