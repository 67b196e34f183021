-- The kill switches. A thrown one stands as the version at which it was thrown, a blank, and its JSON.

local switches = base .. 'switches'

local function split(stored)
  local version, json = string.match(stored, '^(%d+) (.*)$')
  return tonumber(version), json
end

-- The switch that stops a service account's writes; of two, the one that was thrown first.
local function stopping(account)
  local found = redis.call('HMGET', switches, '*', account)
  local best, json
  for i = 1, 2 do
    if found[i] then
      local version, text_of = split(found[i])
      if not best or version < best then
        best, json = version, text_of
      end
    end
  end
  return json
end

-- Changes the switches and tells all replicas.
local function changed()
  state.version = state.version + 1
  redis.call('HSET', KEYS[1], 'version', text(state.version))
  redis.call('PUBLISH', news, 's')
end

local function throw(account, json)
  redis.call('HSET', switches, account, text(state.version + 1) .. ' ' .. json)
  changed()
end

-- The switch that a limit throws: everything of the service account that asked.
local function thrown_by(d, account, at, used, wanted)
  return cjson.encode({
    service_account = account,
    scope = 'all',
    by = 'limit ' .. d.limit,
    reason = text(used) .. d.reason .. text(wanted) .. ' more asked for',
    at = at,
    limit = d.limit,
  })
end

-- All that are thrown, as stored.
local function all_switches()
  return redis.call('HVALS', switches)
end
