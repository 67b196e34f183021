-- Throws a kill switch or resumes a service account.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | `throw` or `resume` |
-- | ARGV[9] | the service account, or `*` |
-- | ARGV[10] | throw: the switch as JSON; resume: when the one that is resumed was thrown |
--
-- The answer: switched, GRANTS, VERSION, CLOCK, {SWITCH …}, each as it is stored.

local no = fence()
if no then
  return no
end
local account = ARGV[9]
local before = redis.call('HGET', switches, account)
local standing
if before then
  local _, json = split(before)
  standing = cjson.decode(json)
end
if ARGV[8] == 'throw' then
  local switch = cjson.decode(ARGV[10])
  -- The limit that tripped first is kept, so that a resume empties it.
  if standing and switch.limit == cjson.null then
    switch.limit = standing.limit
  end
  throw(account, cjson.encode(switch))
elseif standing and standing.at == ARGV[10] then
  redis.call('EXISTS', base .. 'marks')
  if standing.limit ~= cjson.null then
    redis.call('HSET', base .. 'marks', 'E:' .. standing.limit, text(state.made),
      'e:' .. account .. ':' .. standing.limit, text(state.made))
    redis.call('HSET', KEYS[1], 'marked', 1)
  end
  redis.call('HDEL', switches, account)
  changed()
end
return { 'switched', state.grants, state.version, clock, all_switches() }
