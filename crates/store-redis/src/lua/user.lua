-- A user.

local function check_user(user)
  number(user.changed, 'changed')
  if type(user.failures) ~= 'number' then
    corrupt('failures')
  end
  local code = user.code
  if code and (type(code.guesses) ~= 'number' or type(code.expires) ~= 'string') then
    corrupt('code')
  end
end

-- The user, or nil where there is none, or none any more: nothing comes after a removal.
--
-- Events name the SHA-256 of the stored hash, which Lua cannot calculate; it stands beside the
-- hash, with a sum by which a hash that was changed by other hands is noticed. In that case the
-- second result asks the caller for the digest, and is the answer of the script.
local function open_user()
  local user = read(KEYS[1], 'user')
  if not user or user.state == 'removed' then
    return nil
  end
  check_user(user)
  local sum = user.hash and redis.sha1hex(user.hash)
  if sum ~= user.sum then
    if sum ~= call.known_sum then
      return nil, { 'digest', sum, user.hash }
    end
    user.sum, user.digest = sum, call.known_digest
  end
  return user
end

local function set_hash(user, hash, digest)
  user.hash, user.digest = hash, digest
  user.sum = hash and redis.sha1hex(hash)
end

local events = {}

-- The event that leaves the user as it is now.
local function event(user, kind, operation, editor)
  events[#events + 1] = table.concat({
    kind, user.version, user.state, word(user.failures), user.must and '1' or '0',
    user.digest or '-', operation, user.changed, editor or '-',
  }, ' ')
end

-- One more event after the newest, at the present or later.
local function append(user, kind, operation, editor)
  user.sequence = word(number(user.sequence, 'sequence') + 1)
  if after(now, user.changed) then
    user.changed = now
  end
  event(user, kind, operation, editor)
end

-- Writes a user and the events that were made. Only the first command on a key can fail, and
-- nothing has been written when it does.
local function save_user(user)
  if #events > 0 then
    local before = number(user.sequence, 'sequence') - #events
    if redis.call('LLEN', KEYS[3]) ~= before then
      corrupt('events')
    end
    for index = 1, #events do
      local entry = call.user .. ' ' .. word(before + index) .. ' ' .. real
      redis.call('XADD', KEYS[4], '0-*', 'event', entry)
    end
    for index = 1, #events do
      redis.call('RPUSH', KEYS[3], events[index])
    end
  end
  redis.call('SET', KEYS[1], cjson.encode(user))
end

-- Writes a mutation of a user and answers with its details.
local function finish(outcome, user)
  save_user(user)
  remember(user.sequence, user.changed, '-', '-')
  return { outcome, user.sequence, user.changed }
end
