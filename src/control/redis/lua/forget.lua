-- Forgets what was taken from a limit, for all keys: its counters begin anew.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | the limit |
--
-- The answer: forgotten.

local no = fence()
if no then
  return no
end
redis.call('HLEN', base .. 'marks')
redis.call('HSET', base .. 'marks', 'F:' .. ARGV[8], text(state.made))
redis.call('HDEL', base .. 'marks', 'f:' .. ARGV[8])
redis.call('HSET', KEYS[1], 'marked', 1)
return { 'forgotten' }
