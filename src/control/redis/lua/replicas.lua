-- Who shares the switches.
--
-- The answer: replicas, CLOCK, {NAME, VERSION blank MOMENT, …}.

local no = fence()
if no then
  return no
end
return { 'replicas', clock, redis.call('HGETALL', prefix .. 'replicas') }
