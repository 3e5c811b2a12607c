-- Takes an open permit out of a budget. The order of the others stays: of two leases that end
-- together, every store counts the same one first.
local function close(budget)
  for index, permit in ipairs(budget.permits or {}) do
    if permit[1] == call.operation then
      table.remove(budget.permits, index)
      keep_open(budget, budget.permits)
      return permit
    end
  end
end

-- Whether the wrong answer locks the user.
local function locks(user)
  return call.lock_at and user.state == 'active' and user.failures >= call.lock_at
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
    return false
  end
  count_guess(budget, permit)
  append(budget, 'user.human.password.check.failed', call.operation)
  if not locks(budget) then
    return false
  end
  budget.state = 'locked'
  append(budget, 'user.locked', call.operation)
  return true
end

local record = seen()
if not record then
  return answer('expired')
elseif record.settled then
  return answer('settled', record.settled)
end
local budget, ended = open_budget()
if not budget then
  return ended or answer('expired')
end
local permit = close(budget)
if not permit then
  if ended then
    save(budget)
  end
  return answer('expired')
end
local locked = false
if call.verification == 'right' then
  right(budget)
elseif call.verification == 'wrong' then
  locked = wrong(budget, permit)
end
record.settled = { failures = budget.failures, locked = locked }
if call.user and call.verification ~= 'abandoned' then
  record.sequence, record.changed = budget.sequence, budget.changed
end
save(budget, record)
return answer('settled', { failures = budget.failures, locked = locked })
