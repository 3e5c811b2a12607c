#!lua
-- Claims an operation id in a cluster, where no script sees the records of all users.
-- KEYS: 1 the claim. ARGV: 1 its owner, a subject and method, 2 this call, 3 milliseconds to keep it
-- if it is not kept for ever.
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], ARGV[2], '')
if ARGV[3] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
