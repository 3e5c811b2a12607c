local record = seen()
if record == false then
  return { 'reused' }
elseif record then
  return replay(record)
end
local last = read(KEYS[1], 'user')
if last and last.state ~= 'removed' then
  return { 'exists' }
end
-- A new identity. Of a removed one that had its id it takes up the counters and nothing else.
local function next_of(counter)
  return last and word(number(last[counter], counter) + 1) or '1'
end
if last then
  check_user(last)
  now = after(now, last.changed) and now or last.changed
end
local user = {
  username = call.username,
  kind = call.kind,
  state = call.state,
  must = call.must == '1',
  since = call.hash and now,
  version = next_of('version'),
  sequence = next_of('sequence'),
  epoch = next_of('epoch'),
  failures = 0,
  created = now,
  changed = now,
}
set_hash(user, call.hash, call.digest)
event(user, call.event, call.operation, call.editor)
return finish('created', user)
