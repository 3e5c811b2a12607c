-- Permits and failures, of a user or a sham. A permit is its id, the end of its lease, and whether
-- it guesses at the one-time code.

local U32 = 4294967295

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

-- An empty table would become an object.
local function keep_permits(budget, permits)
  budget.permits = #permits > 0 and permits or nil
end

-- Permits by whether their lease has ended by now; those that have ended come in the order of
-- their ends, and of two that end together in the order in which they were taken.
local function by_lease(budget)
  local ended, open = {}, {}
  for index, permit in ipairs(budget.permits or {}) do
    if type(permit) ~= 'table' or type(permit[2]) ~= 'string' then
      corrupt('permits')
    elseif after(permit[2], now) then
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

-- Turns permits whose lease has ended into failures, those of a user each with its event. Returns
-- the others, and whether there were any of these.
local function expire(budget)
  if not budget.permits then
    return {}, false
  end
  local ended, open = by_lease(budget)
  keep_permits(budget, open)
  for _, permit in ipairs(ended) do
    fail(budget, permit[2])
    if call.user then
      count_guess(budget, permit)
      append(budget, 'user.human.password.check.failed', permit[1])
    end
  end
  return open, #ended > 0
end

-- The budget of an attempt. Nil where there is no user; then the second result is what to answer,
-- if it is not that.
local function open_budget()
  if call.user then
    return open_user()
  end
  local sham = read(KEYS[1], 'sham') or { failures = 0 }
  if type(sham.failures) ~= 'number' then
    corrupt('sham')
  end
  return sham
end

local function save_budget(budget)
  if call.user then
    save_user(budget)
  else
    redis.call('SET', KEYS[1], cjson.encode(budget))
  end
end
