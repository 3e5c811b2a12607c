-- Whether failures, time and open permits allow one more attempt. The caller works out how long to
-- wait if they do not: it has integers for that.
local function granted(budget)
  local failures, open = budget.failures, #(budget.permits or {})
  if failures + open >= call.limit then
    return false
  elseif not call.waits then
    return true
  end
  local function wait(count)
    local doublings = count - call.waits.after
    return doublings < 0 and 0 or call.waits.micros[math.min(doublings + 1, #call.waits.micros)]
  end
  -- A clock set back makes the time since the newest failure negative and the wait longer.
  if budget.failed and wait(failures) > tonumber(now) - tonumber(budget.failed) then
    return false
  end
  -- Where waits apply, guesses go one at a time, or parallel ones would skip the wait.
  return open == 0 or wait(failures + open) == 0
end

local function lease_end()
  local micros = tonumber(now) % 1000000 + call.lease.micros
  local seconds = math.floor(tonumber(now) / 1000000) + call.lease.seconds
  seconds, micros = seconds + math.floor(micros / 1000000), micros % 1000000
  if seconds > call.lease.last_second then
    seconds, micros = call.lease.last_second, 999999
  end
  return seconds > 0 and string.format('%.0f%06.0f', seconds, micros) or text(micros)
end

local function earliest_end(permits)
  local earliest
  for _, permit in ipairs(permits) do
    if not earliest or after(earliest, permit[2]) then
      earliest = permit[2]
    end
  end
  return earliest
end

local record = seen()
if record == false then
  return answer('reused')
elseif record and record.settled then
  return answer('spent')
end
local budget, ended = open_budget()
if not budget then
  return ended or answer('not_found')
end
local open = budget.permits or {}
if record then
  if ended then
    save(budget)
  end
  for _, permit in ipairs(open) do
    if permit[1] == call.operation then
      return answer('permitted', { failures = budget.failures })
    end
  end
  return answer('spent')
end
if not granted(budget) then
  if ended then
    save(budget)
  end
  return answer('refused', {
    failures = budget.failures,
    failed = budget.failed,
    open = #open,
    earliest = earliest_end(open),
    now = now,
  })
end
open[#open + 1] = { call.operation, lease_end(), call.guesses_code }
budget.permits = open
save(budget, { subject = call.subject, method = call.method })
return answer('permitted', { failures = budget.failures })
