-- A replica looks at the switches, says which version it acts on, and keeps what it holds.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | the version of the switches that it knows |
-- | ARGV[9] | its name |
-- | ARGV[10] | the version that it acts on |
-- | ARGV[11] | for how many milliseconds a deployment stays its own, if it uses it alone |
-- | ARGV[12] | for how many milliseconds its reservations last |
-- | ARGV[13…] | reservations to be kept |
--
-- The answer: polled, GRANTS, VERSION, CLOCK, {SWITCH …} or 0 where the version is the known one,
-- {RESERVATION …} that are gone.

local no = fence()
if no then
  return no
end
redis.call('HLEN', prefix .. 'replicas')
if ARGV[4] ~= '' then
  local owner = redis.call('GET', prefix .. 'alone')
  if owner and owner ~= ARGV[4] then
    return { 'taken', owner }
  end
  redis.call('SET', prefix .. 'alone', ARGV[4], 'PX', ARGV[11])
end
redis.call('HSET', prefix .. 'replicas', ARGV[9], ARGV[10] .. ' ' .. text(clock))
local gone = {}
for i = 13, #ARGV do
  if redis.call('PEXPIRE', base .. 'r:' .. ARGV[i], ARGV[12]) == 0 then
    gone[#gone + 1] = ARGV[i]
  end
end
local thrown = 0
if state.version ~= tonumber(ARGV[8]) then
  thrown = all_switches()
end
return { 'polled', state.grants, state.version, clock, thrown, gone }
