-- Whether the code that is to be redeemed is the pending one, and still good. A guess that nobody
-- settled counts from the end of its lease.
local function redeems(user)
  local code = user.code
  if not code or code.digest ~= call.redeem.digest then
    return false
  end
  if code.expires:find('^-') or not after(code.expires, now) then
    return false
  end
  local guesses = code.guesses
  for _, permit in ipairs((by_lease(user))) do
    guesses = permit[3] and guesses + 1 or guesses
  end
  return guesses < call.redeem.max_guesses
end

-- The failures are forgotten; the guesses at a code that stays pending are not.
local function clear(user)
  local ended, open = by_lease(user)
  keep_open(user, open)
  user.failures, user.failed = 0, nil
  for _, permit in ipairs(ended) do
    count_guess(user, permit)
  end
end

local function change_credential(user, credential)
  set_hash(user, credential.hash, credential.digest)
  user.must = credential.must
  user.since = credential.hash and (after(now, user.changed) and now or user.changed)
  user.epoch = text(number(user.epoch, 'epoch') + 1)
  user.code = nil
end

local record = seen()
if record == false then
  return answer('reused')
elseif record then
  return replay(record)
end
local user, wanted = open_user()
if wanted then
  return wanted
elseif not user then
  return answer('not_found')
elseif user.version ~= call.expected then
  return answer('conflict')
elseif call.redeem and not redeems(user) then
  return answer('code_rejected')
end
if call.clears_failures then
  clear(user)
end
if call.credential then
  change_credential(user, call.credential)
end
user.state = call.state or user.state
if call.redeem then
  user.code = nil
elseif call.issue then
  user.code = call.issue
end
user.version = text(number(user.version, 'version') + 1)
for _, kind in ipairs(call.events) do
  append(user, kind, call.operation, call.editor)
end
return finish('committed', user)
