-- Forgets what has no effect any more: counters that are idle, locks and waiters whose reservation is
-- gone, replicas not heard of for ten minutes, generations that came to nothing or were replaced.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | how many of each, at most |
-- | ARGV[9] | where to go on among the locks |
--
-- The answer: swept, HOW MANY COUNTERS WERE LOOKED AT, where to go on among the locks.

local FORGET_REPLICA = 600000000
local FORGET_GENERATION = 120000000

local no = fence()
if no then
  return no
end
local now = moment()
local most = tonumber(ARGV[8])

local function idle(d)
  if d.fresh then
    return true
  end
  local last
  if d.kind == 'r' then
    last = d.tat
  elseif d.size == 0 then
    return d.total == 0
  elseif d.kind == 'w' then
    last = tonumber(redis.call('LINDEX', d.key .. ':e', -2) or 0) + keep(d)
  else
    last = tonumber(redis.call('ZREVRANGE', d.key .. ':o', 0, 0, 'WITHSCORES')[2] or 0) + keep(d)
  end
  return last <= now, last
end

local function sweep_counters()
  local names = redis.call('ZRANGEBYSCORE', base .. 'index', '-inf', text(now), 'LIMIT', 0, most)
  local demands = {}
  for i, name in ipairs(names) do
    local f = redis.call('HMGET', base .. name, 'kind', 'size', 'most', 'mark')
    demands[i] = {
      name = name,
      key = base .. name,
      kind = f[1] or 'w',
      size = tonumber(f[2]) or 0,
      most = tonumber(f[3]) or 0,
      mark = f[4] or '',
      counted = counted(name),
    }
  end
  read_marks(demands)
  for _, d in ipairs(demands) do
    load(d)
    local gone, later = idle(d)
    if gone then
      clear(d.key)
      redis.call('ZREM', base .. 'index', d.name)
    else
      redis.call('ZADD', base .. 'index', later and text(later) or '+inf', d.name)
    end
  end
  return #names
end

local function sweep_locks()
  local step = redis.call('HSCAN', base .. 'locks', ARGV[9], 'COUNT', most)
  for i = 1, #step[2], 2 do
    if redis.call('EXISTS', base .. 'r:' .. step[2][i + 1]) == 0 then
      redis.call('HDEL', base .. 'locks', step[2][i])
    end
  end
  redis.call('ZREMRANGEBYSCORE', base .. 'waiting', '-inf', text(clock - 60000000))
  return step[1]
end

local function sweep_replicas()
  local all = redis.call('HGETALL', prefix .. 'replicas')
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], ' (%d+)$') or 0)
    if at < clock - FORGET_REPLICA then
      redis.call('HDEL', prefix .. 'replicas', all[i])
    end
  end
end

local function sweep_generation(generation)
  local old = prefix .. generation .. ':'
  local names = redis.call('ZRANGE', old .. 'index', 0, most - 1)
  for _, name in ipairs(names) do
    local key = old .. name
    redis.call('UNLINK', key, key .. ':e', key .. ':o', key .. ':t')
  end
  if #names > 0 then
    redis.call('ZREM', old .. 'index', unpack(names))
  else
    redis.call('UNLINK', old .. 'switches', old .. 'marks', old .. 'locks', old .. 'waiting', old .. 'built')
    redis.call('ZREM', prefix .. 'generations', generation)
  end
end

local looked = sweep_counters()
local cursor = sweep_locks()
sweep_replicas()
local old = redis.call('ZRANGEBYSCORE', prefix .. 'generations', '-inf', text(clock - FORGET_GENERATION), 'LIMIT', 0, 4)
for _, generation in ipairs(old) do
  if generation ~= state.generation then
    sweep_generation(generation)
  end
end
return { 'swept', looked, cursor }
