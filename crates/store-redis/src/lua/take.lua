-- Whether failures, time and open permits allow one more attempt. The caller works out how long to
-- wait if they do not: it has integers for that.
local function granted(budget, open)
  local failures = budget.failures
  if failures + open >= tonumber(call.limit) then
    return false
  elseif not call.waits then
    return true
  end
  local waits = {}
  for wait in call.waits:gmatch('%d+') do
    waits[#waits + 1] = tonumber(wait)
  end
  local function wait(count)
    local doublings = count - tonumber(call.waits_after)
    return doublings < 0 and 0 or waits[math.min(doublings + 1, #waits)]
  end
  -- A clock set back makes the time since the newest failure negative and the wait longer.
  local failed = budget.failed and number(budget.failed, 'failed')
  if failed and wait(failures) > tonumber(now) - failed then
    return false
  end
  -- Where waits apply, guesses go one at a time, or parallel ones would skip the wait.
  return open == 0 or wait(failures + open) == 0
end

local function lease_end()
  local present, last = tonumber(now), tonumber(call.last_second)
  local micros = present % 1000000 + tonumber(call.lease_micros)
  local seconds = math.floor(present / 1000000) + tonumber(call.lease_seconds)
  seconds, micros = seconds + math.floor(micros / 1000000), micros % 1000000
  if seconds > last then
    seconds, micros = last, 999999
  end
  return seconds > 0 and string.format('%.0f%06.0f', seconds, micros) or word(micros)
end

local function earliest_end(permits)
  local earliest
  for _, permit in ipairs(permits) do
    if not earliest or after(earliest, permit[2]) then
      earliest = permit[2]
    end
  end
  return earliest or '-'
end

local record = seen()
if record == false then
  return { 'reused' }
elseif record and record.failures ~= '-' then
  return { 'spent' }
end
local budget, wanted = open_budget()
if not budget then
  return wanted or { 'not_found' }
end
local open, ended = expire(budget)
local again = false
for _, permit in ipairs(open) do
  again = again or permit[1] == call.operation
end
if record or not granted(budget, #open) then
  if ended then
    save_budget(budget)
  end
  if record then
    return again and { 'permitted', word(budget.failures) } or { 'spent' }
  end
  local failures, failed = word(budget.failures), budget.failed or '-'
  return { 'refused', failures, failed, word(#open), earliest_end(open), now }
end
open[#open + 1] = { call.operation, lease_end(), call.guesses_code == '1' }
keep_permits(budget, open)
save_budget(budget)
remember('-', '-', '-', '-')
return { 'permitted', word(budget.failures) }
