-- Takes charges that cannot be refused because the thing happened already. They belong to no reservation.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | the service account |
-- | ARGV[9] | the request's time, for a switch that is thrown |
-- | ARGV[10] | how many demands; they follow (see `counter.lua`) |
--
-- The answer: charged, GRANTS, SWITCH or ''.

local no = fence()
if no then
  return no
end
local demands = read_demands(10)
local now = moment()
local account = ARGV[8]
read_marks(demands)
local tripped
for _, d in ipairs(demands) do
  d.wanted = d.kind == 's' and #d.names or d.amount
  d.fit = fit(d, now, d.wanted)
  if d.fit.over and d.action == 'stop' then
    tripped = tripped or d
  end
end
redis.call('ZCARD', base .. 'index')
-- A switch that stands already was not thrown for this.
local stands = redis.call('HEXISTS', switches, account) == 1

for _, d in ipairs(demands) do
  take(d, now, d.wanted)
end
state.grants = state.grants + 1
redis.call('HSET', KEYS[1], 'grants', text(state.grants), 'latest', text(now), 'made', text(state.made))
local switch = ''
if tripped and not stands then
  switch = thrown_by(tripped, account, ARGV[9], tripped.fit.used, tripped.wanted)
  throw(account, switch)
end
return { 'charged', state.grants, switch }
