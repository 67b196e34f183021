-- A replica ends: the deployment is free for another one at once.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | its name |
--
-- The answer: released.

if ARGV[4] ~= '' and redis.call('GET', prefix .. 'alone') == ARGV[4] then
  redis.call('DEL', prefix .. 'alone')
end
redis.call('HDEL', prefix .. 'replicas', ARGV[8])
return { 'released' }
