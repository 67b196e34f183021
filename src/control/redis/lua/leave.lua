-- Leaves the line for locks: the one who waited has hung up.
--
-- | argument | what |
-- |---|---|
-- | ARGV[8] | the reservation |
-- | ARGV[9…] | the locks |
--
-- The answer: left.

local no = fence()
if no then
  return no
end
local locks = {}
for i = 9, #ARGV do
  locks[i - 8] = ARGV[i]
end
leave(locks, ARGV[8])
wake(locks)
return { 'left' }
