-- What is used of some counters.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | the first one's place in the index |
-- | ARGV[9] | the last one's |
--
-- The answer: used, HOW MANY WERE LOOKED AT, {COUNTER, USED, MAXIMUM, …}.

local no = fence()
if no then
  return no
end
local now = moment()
local names = redis.call('ZRANGE', base .. 'index', ARGV[8], ARGV[9])
local demands = {}
for _, name in ipairs(names) do
  local key = base .. name
  local f = string.sub(name, 1, 2) == 'c:' and redis.call('HMGET', key, 'kind', 'size', 'most', 'mark')
  if f and f[1] then
    demands[#demands + 1] = {
      name = name,
      key = key,
      kind = f[1],
      size = tonumber(f[2]),
      most = tonumber(f[3]),
      mark = f[4],
      counted = counted(name),
    }
  end
end
read_marks(demands)
local USED = { r = rate_used, w = window_used, s = records_used }
local used = {}
for _, d in ipairs(demands) do
  load(d)
  -- one that was not asked for since its window became longer
  if d.seen < d.number then
    d.size = d.window
  end
  local amount = d.fresh and 0 or USED[d.kind](d, now)
  if amount > 0 then
    used[#used + 1] = d.name
    used[#used + 1] = amount
    used[#used + 1] = d.most
  end
end
return { 'used', #names, used }
