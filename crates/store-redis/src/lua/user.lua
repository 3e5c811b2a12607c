-- A user that exists already, and its guess budget. A sham is a budget and nothing else.

-- Fails on a record that the rest of the script could not calculate with.
local function check_budget(budget)
  if type(budget.failures) ~= 'number' then
    corrupt('failures')
  end
  if budget.failed then
    number(budget.failed, 'failed')
  end
  for _, permit in ipairs(budget.permits or {}) do
    if type(permit) ~= 'table' or type(permit[2]) ~= 'string' then
      corrupt('permits')
    end
  end
end

local function check_user(user)
  number(user.version, 'version')
  number(user.sequence, 'sequence')
  number(user.epoch, 'epoch')
  number(user.changed, 'changed')
  local code = user.code
  if code and (type(code.guesses) ~= 'number' or type(code.expires) ~= 'string') then
    corrupt('code')
  end
  check_budget(user)
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
    if not call.known or call.known.sum ~= sum then
      return nil, answer('digest', { sum = sum, hash = user.hash })
    end
    user.sum, user.digest = sum, call.known.digest
  end
  return user
end

local function set_hash(user, hash, digest)
  user.hash, user.digest = hash, digest
  user.sum = hash and redis.sha1hex(hash)
end

local function count_guess(user, permit)
  if user.code and permit[3] then
    user.code.guesses = math.min(user.code.guesses + 1, U32)
  end
end

local function fail(budget, at)
  budget.failures = math.min(budget.failures + 1, U32)
  if not budget.failed or after(at, budget.failed) then
    budget.failed = at
  end
end

-- Permits by whether their lease has ended by now; those that have ended come in the order of
-- their ends, and of two that end together in the order in which they were taken.
local function by_lease(budget)
  local ended, open = {}, {}
  for index, permit in ipairs(budget.permits or {}) do
    if after(permit[2], now) then
      open[#open + 1] = permit
    else
      ended[#ended + 1] = { permit[1], permit[2], permit[3], index }
    end
  end
  table.sort(ended, function(a, b)
    if a[2] == b[2] then
      return a[4] < b[4]
    end
    return after(b[2], a[2])
  end)
  return ended, open
end

-- An empty table would become an object.
local function keep_open(budget, open)
  budget.permits = #open > 0 and open or nil
end

-- Turns permits whose lease has ended into failures, those of a user each with its event.
local function expire(budget)
  local ended, open = by_lease(budget)
  keep_open(budget, open)
  for _, permit in ipairs(ended) do
    fail(budget, permit[2])
    if budget.sequence then
      count_guess(budget, permit)
      append(budget, 'user.human.password.check.failed', permit[1])
    end
  end
  return #ended > 0
end

-- The budget of an attempt, and whether leases have just ended in it; nil where there is no user.
local function open_budget()
  local budget, wanted
  if call.user then
    budget, wanted = open_user()
  else
    budget = read(KEYS[1], 'sham') or { failures = 0 }
    check_budget(budget)
  end
  if not budget then
    return nil, wanted
  end
  return budget, expire(budget)
end
