#!lua
-- Gives up a claim after a refusal, unless another call of the same operation relies on it.
-- KEYS: 1 the claim. ARGV: 1 this call.
redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('HLEN', KEYS[1]) == 1 then
  redis.call('DEL', KEYS[1])
end
return 1
