-- Takes an open permit out of a budget. The order of the others stays: of two leases that end
-- together, every store counts the same one first.
local function close(budget, permits)
  for index, permit in ipairs(permits) do
    if permit[1] == call.operation then
      table.remove(permits, index)
      keep_permits(budget, permits)
      return permit
    end
  end
end

-- Whether the wrong answer locks the user.
local function locks(user)
  return call.lock_at
    and user.state == 'active'
    and user.failures >= tonumber(call.lock_at)
end

local function right(budget)
  budget.failures, budget.failed = 0, nil
  if call.user then
    append(budget, 'user.human.password.check.succeeded', call.operation)
  end
end

local function wrong(budget, permit)
  fail(budget, now)
  if not call.user then
    return '0'
  end
  count_guess(budget, permit)
  append(budget, 'user.human.password.check.failed', call.operation)
  if not locks(budget) then
    return '0'
  end
  budget.state = 'locked'
  append(budget, 'user.locked', call.operation)
  return '1'
end

local record = seen()
if not record then
  return { 'expired' }
elseif record.failures ~= '-' then
  return { 'settled', record.failures, record.locked }
end
local budget, wanted = open_budget()
if not budget then
  return wanted or { 'expired' }
end
local permits, ended = expire(budget)
local permit = close(budget, permits)
if not permit then
  if ended then
    save_budget(budget)
  end
  return { 'expired' }
end
local locked = '0'
if call.verification == 'right' then
  right(budget)
elseif call.verification == 'wrong' then
  locked = wrong(budget, permit)
end
save_budget(budget)
local failures = word(budget.failures)
if call.user and call.verification ~= 'abandoned' then
  remember(budget.sequence, budget.changed, failures, locked)
else
  remember('-', '-', failures, locked)
end
return { 'settled', failures, locked }
