-- Whether the server throws keys away when its memory is full: then nobody knows what was granted. This
-- is asked of a server before anything else, and looks at no key.
--
-- The answer: memory, MAXIMUM, POLICY.

local info = redis.call('INFO', 'memory')
return {
  'memory',
  tonumber(string.match(info, 'maxmemory:(%d+)') or 0),
  string.match(info, 'maxmemory_policy:([%w-]+)') or '',
}
