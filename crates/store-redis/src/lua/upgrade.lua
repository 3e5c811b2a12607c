local record = seen()
if record == false then
  return { 'reused' }
elseif record then
  return replay(record)
end
local user, wanted = open_user()
if wanted then
  return wanted
elseif not user or user.hash ~= call.verified then
  return { 'superseded' }
end
set_hash(user, call.hash, call.digest)
append(user, 'user.human.password.hash.updated', call.operation)
return finish('upgraded', user)
