-- Locks on records and who waits for them, first come first served: the twin of `locks.rs`. An ask
-- gets all its locks at once or none. A lock is held for as long as its reservation is there, which ends
-- by itself where a replica has died. Who waits asks again and again, and is gone when it has not for
-- a while.

local QUEUE_MS = 10000
-- Who holds no lock yet stands behind all that do, because they may be waiting for it.
local EMPTY_HANDED = 2251799813685248

local waiting = base .. 'waiting'

-- How many wait, as it was when the script began.
local waiters
local function crowd()
  waiters = waiters or redis.call('ZCARD', waiting)
  return waiters
end

local function queue_of(lock)
  return base .. 'w:' .. lock
end

-- The first that waits for a lock and is still there, and its place.
local function first(lock)
  local from = 0
  while true do
    local part = redis.call('ZRANGE', queue_of(lock), from, from, 'WITHSCORES')
    if #part == 0 then
      return nil
    end
    local alive = redis.call('ZSCORE', waiting, part[1])
    if alive and tonumber(alive) >= clock then
      return part[1], tonumber(part[2])
    end
    from = from + 1
  end
end

-- The place of the first lock that whoever stands at `place` may not have now; reads only.
local function busy(locks, me, place)
  local crowded = #locks > 0 and crowd() > 0
  local found
  in_chunks(locks, function(from, to)
    local holders = redis.call('HMGET', base .. 'locks', unpack(locks, from, to))
    for i = from, to do
      local holder = holders[i - from + 1]
      local held = holder and (holder == me or redis.call('EXISTS', base .. 'r:' .. holder) == 1)
      if not found and held and holder ~= me then
        found = i
      elseif not found and not held and crowded then
        local ahead, at = first(locks[i])
        if ahead and ahead ~= me and at < place then
          found = i
        end
      end
    end
  end)
  return found
end

local function hold_locks(locks, me)
  in_chunks(locks, function(from, to)
    local pairs_of = {}
    for i = from, to do
      pairs_of[#pairs_of + 1] = locks[i]
      pairs_of[#pairs_of + 1] = me
    end
    redis.call('HSET', base .. 'locks', unpack(pairs_of))
  end)
end

-- Tells those whose turn has come.
local function wake(locks)
  if #locks == 0 or crowd() == 0 then
    return
  end
  local told = {}
  for _, lock in ipairs(locks) do
    local id = first(lock)
    if id and not told[id] then
      told[id] = true
      redis.call('PUBLISH', news, 'w ' .. id)
    end
  end
end

local function queue(locks, me, place, alive)
  for _, lock in ipairs(locks) do
    redis.call('ZADD', queue_of(lock), text(place), me)
    redis.call('PEXPIRE', queue_of(lock), QUEUE_MS)
  end
  redis.call('ZADD', waiting, text(clock + alive), me)
end

local function leave(locks, me)
  if redis.call('ZREM', waiting, me) == 0 then
    return
  end
  for _, lock in ipairs(locks) do
    redis.call('ZREM', queue_of(lock), me)
  end
end
