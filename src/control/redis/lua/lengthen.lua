-- A budget has another window: `mark` says so, so that nothing within it is forgotten any more; `recall`
-- puts back what a counter may have forgotten.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | `mark` or `recall` |
-- | ARGV[9] | the limit, as its counters name it |
-- | ARGV[10] | mark: the longer one of the windows before and after; recall: the number that the mark got |
-- | ARGV[11] | mark: the window before; recall: how many counters; they follow |
-- | ARGV[12] | mark: the window from now on |
--
-- | place | a counter |
-- |---|---|
-- | 0 | c:LENGTH:COUNTED:KEY, its arithmetic, window, maximum, how many records are kept apart, its mark |
-- | 6 | `w`: how many numbers of events; they follow, oldest first |
-- | 6 | `s`: how many touches; moment and record of each follow, oldest first |
--
-- The answer: marked, NUMBER and the moment up to which all that was taken is to be told anew, or recalled.

-- So many changes of a window are told apart.
local TOLD = 16

local no = fence()
if no then
  return no
end

if ARGV[8] == 'mark' then
  local number, now = state.made + 1, moment()
  local through = now - tonumber(ARGV[11])
  local told = {}
  for one in string.gmatch(redis.call('HGET', base .. 'marks', 'f:' .. ARGV[9]) or '', '-?%d+') do
    told[#told + 1] = one
  end
  local mark = ARGV[10] .. ' ' .. ARGV[12]
  -- what is left out here is remembered for longer than it has to be
  for i = math.max(3, #told - TOLD * 2 + 3), #told do
    mark = mark .. ' ' .. told[i]
  end
  redis.call('HSET', base .. 'marks', 'f:' .. ARGV[9], mark .. ' ' .. text(number) .. ' ' .. text(through))
  redis.call('HSET', KEYS[1], 'made', text(number), 'marked', 1, 'latest', text(now))
  return { 'marked', number, through }
end

local at = 12
local function arg()
  at = at + 1
  return ARGV[at - 1]
end

local number, demands = tonumber(ARGV[10]), {}
for i = 1, tonumber(ARGV[11]) do
  local name = arg()
  local d = { name = name, key = base .. name, counted = ARGV[9], kind = arg(), size = tonumber(arg()),
    most = tonumber(arg()), room = tonumber(arg()), mark = arg(), older = {} }
  for j = 1, tonumber(arg()) do
    d.older[j] = d.kind == 's' and { at = tonumber(arg()), name = arg() } or tonumber(arg())
  end
  demands[i] = d
end
read_marks(demands)
for _, d in ipairs(demands) do
  load(d)
  redis.call('LLEN', d.key .. ':e')
  redis.call('ZCARD', d.key .. ':o')
  redis.call('HLEN', d.key .. ':t')
  d.recalled = not d.fresh and tonumber(redis.call('HGET', d.key, 'recalled') or 0) or 0
end
redis.call('ZCARD', base .. 'index')

local function recall_window(d)
  local list = d.key .. ':e'
  local count, sum, last = front(list, math.max(d.cut, d.told[#d.told]))
  if count > 0 then
    redis.call('LTRIM', list, count * 2, -1)
    d.total, d.gone = d.total - sum, last
  end
  local events = put_back(read_events(list), d, ROOM.w, d.older)
  write_events(list, events)
  d.last = last_of(events) or -1
end

local function recall_records(d)
  drop_records(d, math.max(d.cut, d.told[#d.told]))
  d.gone = -1
  for i = #d.older, 1, -1 do
    local older = d.older[i]
    local packed = redis.call('HGET', d.key .. ':t', older.name)
    local h, events = { gone = -1, total = 0 }, {}
    if packed then
      h, events = read_touches(packed)
    end
    events = put_back(events, h, TOUCHES, { older.at, 1 })
    redis.call('HSET', d.key .. ':t', older.name, pack_touches(h, events))
    if last_of(events) == older.at then
      redis.call('ZADD', d.key .. ':o', text(older.at), older.name)
    end
  end
  shrink_records(d)
end

local now = moment()
for _, d in ipairs(demands) do
  -- A later mark tells all of it anew; a part that came before is not told twice.
  if d.number == number and d.recalled ~= number then
    if d.fresh then
      if d.there then
        clear(d.key)
      end
      state.made = state.made + 1
      redis.call('HSET', d.key, 'id', text(state.made), 'kind', d.kind, 'mark', d.mark)
    end
    if d.kind == 'w' then
      recall_window(d)
    else
      recall_records(d)
    end
    d.as_stored = false
    save(d)
    redis.call('HSET', d.key, 'recalled', text(number))
    redis.call('ZADD', base .. 'index', text(now + keep(d)), d.name)
  end
end
redis.call('HSET', KEYS[1], 'made', text(state.made))
return { 'recalled' }
