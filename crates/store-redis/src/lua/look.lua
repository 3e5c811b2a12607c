#!lua
-- Reads what an operation came to, and writes it again: a replica that has this write has seen the
-- first one too.
-- KEYS: 1 the operation's record.
local found = redis.call('GET', KEYS[1])
if found then
  redis.call('SET', KEYS[1], found, 'KEEPTTL')
end
return found
