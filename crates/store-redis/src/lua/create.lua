local record = seen()
if record == false then
  return { 'reused' }
elseif record then
  return replay(record)
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'exists' }
end
local user = {
  username = call.username,
  kind = call.kind,
  state = call.state,
  must = call.must == '1',
  since = call.hash and now,
  version = '1',
  sequence = '1',
  epoch = '1',
  failures = 0,
  created = now,
  changed = now,
}
set_hash(user, call.hash, call.digest)
event(user, call.event, call.operation, call.editor)
return finish('created', user)
