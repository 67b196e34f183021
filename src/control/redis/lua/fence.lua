-- The start of every script: which state this is, what time it is, and whether the caller may use it.
-- Reads only. Numbers are doubles here: moments (microseconds since 1970), spans and amounts are whole
-- and at most 2^52, so that the sum of any two is exact, and the floor of a quotient of two as well.
--
-- | argument | what |
-- |---|---|
-- | KEYS[1] | the state; all other keys begin as it does, so that one node has them all |
-- | ARGV[1] | the generation that the caller knows |
-- | ARGV[2] | its epoch |
-- | ARGV[3] | the most grants of it that the caller saw |
-- | ARGV[4] | who alone may use the state; empty where replicas share it |
-- | ARGV[5] | the caller's clock; empty: not compared |
-- | ARGV[6] | the moment of the server's clock after which nobody waits for the answer; empty: never |
-- | ARGV[7] | the moment to compute with; empty: the server's clock |
--
-- Every answer is a list that begins with a word. These say no, and that nothing was written:
--
-- | answer | what |
-- |---|---|
-- | late | it came when nobody waited for the answer any more |
-- | clock, MICROSECONDS | the caller's clock is so far ahead of the server's |
-- | taken, OWNER | somebody else uses this state alone |
-- | lost, WHY | what was granted is not known any more |
-- | newer, GENERATION, EPOCH, GRANTS, VERSION | it was rebuilt since the caller looked |
--
-- The keys, `PREFIX` being `wg:{DEPLOYMENT}:`
--
-- | key | type | what |
-- |---|---|---|
-- | PREFIX state | hash | the fields below |
-- | PREFIX alone | string | who uses the deployment alone, for as long as it says so |
-- | PREFIX replicas | hash | replica → version of the switches that it acts on, when it said so |
-- | PREFIX generations | zset | generation → when it was begun |
-- | PREFIX news | channel | `s`: the switches changed; `w RESERVATION`: its turn for a lock has come |
-- | PREFIX GENERATION : … | | what is gone with its generation: |
-- | … switches | hash | service account → version at which it was thrown, a blank, the switch |
-- | … marks | hash | e:ACCOUNT:LIMIT, E:LIMIT → counters up to this id were emptied; f:COUNTED → another window |
-- | … index | zset | counters → when to look whether they are idle; reservations of gauges: never |
-- | … locks | hash | record → reservation; one whose reservation is gone is free |
-- | … waiting | zset | reservation that waits for locks → until when it counts as there |
-- | … built | hash | how much of a generation is there that is not in force yet |
-- | … c:LENGTH:COUNTED:KEY | hash | a counter, COUNTED being its limit's name and what that counts; with `:e` its events (list), `:o` its records by their latest touch (zset), `:t` their touches (hash) |
-- | … r:RESERVATION | string | what a reservation holds |
-- | … w:RECORD | zset | who waits for a record, by place |

local MOST = 4503599627370496
local SKEW = 5000000
local CHUNK = 1000

local function text(number)
  return string.format('%.0f', number)
end

-- Calls once for each thousand items: there is room for so many on the stack.
local function in_chunks(items, act)
  for from = 1, #items, CHUNK do
    act(from, math.min(from + CHUNK - 1, #items))
  end
end

local prefix = string.sub(KEYS[1], 1, -6)
local news = prefix .. 'news'
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
local fields = redis.call('HMGET', KEYS[1], 'generation', 'epoch', 'home', 'grants', 'owner', 'version',
  'latest', 'made', 'marked', 'place')
local state = {
  generation = fields[1],
  epoch = tonumber(fields[2]) or 0,
  home = fields[3],
  grants = tonumber(fields[4]) or 0,
  owner = fields[5] or '',
  version = tonumber(fields[6]) or 0,
  latest = tonumber(fields[7]) or 0,
  made = tonumber(fields[8]) or 0,
  marked = fields[9],
  place = tonumber(fields[10]) or 0,
}
local base = prefix .. (state.generation or '') .. ':'

-- The server's time as primary: it has another name after each restart and each failover.
local function home()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
end

local function fence()
  if ARGV[6] ~= '' and clock > tonumber(ARGV[6]) then
    return { 'late' }
  end
  if ARGV[5] ~= '' then
    local ahead = tonumber(ARGV[5]) - clock
    if ahead > SKEW or ahead < -SKEW then
      return { 'clock', ahead }
    end
  end
  if not state.generation then
    return { 'lost', 'it is empty' }
  end
  if state.owner ~= ARGV[4] then
    return { 'taken', state.owner }
  end
  if state.home ~= home() then
    return { 'lost', 'it was restarted, or another server took over' }
  end
  if state.generation ~= ARGV[1] then
    if state.epoch < tonumber(ARGV[2]) then
      return { 'lost', 'it is an earlier one' }
    end
    return { 'newer', state.generation, state.epoch, state.grants, state.version }
  end
  if state.grants < tonumber(ARGV[3]) then
    return { 'lost', 'it has forgotten grants' }
  end
end

-- A clock that goes back mints nothing: time stands at the latest moment seen.
local function moment()
  local now = ARGV[7] == '' and clock or tonumber(ARGV[7])
  return math.min(math.max(now, state.latest), MOST)
end
