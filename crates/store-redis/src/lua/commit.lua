-- Whether the code that is to be redeemed is the pending one, and still good. A guess that nobody
-- settled counts from the end of its lease.
local function redeems(user)
  local code = user.code
  if not code or code.digest ~= call.redeem then
    return false
  end
  if code.expires:find('^-') or not after(code.expires, now) then
    return false
  end
  local guesses = code.guesses
  for _, permit in ipairs((by_lease(user))) do
    guesses = guesses + (permit[3] and 1 or 0)
  end
  return guesses < tonumber(call.max_guesses)
end

-- The failures are forgotten; the guesses at a code that stays pending are not.
local function clear(user)
  user.failures, user.failed = 0, nil
  if user.permits then
    local ended, open = by_lease(user)
    keep_permits(user, open)
    for _, permit in ipairs(ended) do
      count_guess(user, permit)
    end
  end
end

local function change_credential(user)
  set_hash(user, call.hash, call.digest)
  user.must = call.must == '1'
  user.since = call.hash and (after(now, user.changed) and now or user.changed)
  user.epoch = word(number(user.epoch, 'epoch') + 1)
  user.code = nil
end

local record = seen()
if record == false then
  return { 'reused' }
elseif record then
  return replay(record)
end
local user, wanted = open_user()
if not user then
  return wanted or { 'not_found' }
elseif user.version ~= call.expected then
  return { 'conflict' }
elseif call.redeem and not redeems(user) then
  return { 'code_rejected' }
end
if call.clears_failures then
  clear(user)
end
if call.credential then
  change_credential(user)
end
user.state = call.state or user.state
if call.redeem then
  user.code = nil
elseif call.issue then
  -- For so long from now on, or until a moment that the caller names.
  local ttl = call.ttl and number(call.ttl, 'code')
  local expires = ttl and word(number(now, 'now') + ttl) or call.expires
  user.code = { digest = call.issue, expires = expires, guesses = tonumber(call.guesses) }
end
user.version = word(number(user.version, 'version') + 1)
for kind in call.events:gmatch('%S+') do
  append(user, kind, call.operation, call.editor)
end
return finish('committed', user)
