-- Ends a reservation: its locks go; its charges are given back, or only those of gauges.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | the reservation |
-- | ARGV[9] | `all`: everything is given back; `gauges`: the rest stays taken |
-- | ARGV[10] | for how many milliseconds one that is not there is kept from coming, since its ask may still be on its way; 0: it is not |
--
-- The answer: ended.

local no = fence()
if no then
  return no
end
local id = ARGV[8]
local packed = redis.call('GET', base .. 'r:' .. id)
if not packed then
  if ARGV[10] == '0' then
    return { 'ended' }
  end
  redis.call('SET', base .. 'r:' .. id, cmsgpack.pack({ ended = true }), 'PX', ARGV[10])
  return { 'ended' }
end
local held = cmsgpack.unpack(packed)
if held.ended then
  return { 'ended' }
end
local back = {}
for _, t in ipairs(held.taken) do
  if t.gauge or ARGV[9] == 'all' then
    t.counted = ''
    back[#back + 1] = t
  end
end
read_marks(back)
for _, t in ipairs(back) do
  find(t)
end
local mine = {}
in_chunks(held.locks, function(from, to)
  local holders = redis.call('HMGET', base .. 'locks', unpack(held.locks, from, to))
  for i = from, to do
    if holders[i - from + 1] == id then
      mine[#mine + 1] = held.locks[i]
    end
  end
end)
crowd()
local forever = false
for _, t in ipairs(held.taken) do
  forever = forever or t.gauge
end
if forever then
  redis.call('ZCARD', base .. 'index')
end

for _, t in ipairs(back) do
  give_back(t)
end
in_chunks(mine, function(from, to)
  redis.call('HDEL', base .. 'locks', unpack(mine, from, to))
end)
redis.call('DEL', base .. 'r:' .. id)
if forever then
  redis.call('ZREM', base .. 'index', 'r:' .. id)
end
wake(mine)
return { 'ended' }
