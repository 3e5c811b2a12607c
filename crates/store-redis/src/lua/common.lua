#!lua
-- The start of every script. The shebang makes Redis refuse a script that it could not let write
-- (full memory, a replica, a failed save) before it begins, and not in the middle.
--
-- KEYS: 1 the user or sham, 2 the operation's record, 3 the user's events, 4 the outbox.
-- ARGV: 1 the call, as JSON. Counts of 32 bits are numbers; everything larger is text, as a number
-- of Lua is a double. Nothing is written before everything that can fail has been done.

local call = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local real = clock[1] .. string.format('%06d', clock[2])
-- A moment is the text of its microseconds since 1970.
local now = call.now or real

-- Doubles are exact below it.
local EXACT = 9007199254740992
local U32 = 4294967295

local function answer(outcome, fields)
  fields = fields or {}
  fields.outcome = outcome
  return cjson.encode(fields)
end

-- Ends the script. The reply names the field and holds no value.
local function corrupt(field)
  error({ err = 'CORRUPT ' .. field })
end

local function number(text, field)
  local value = type(text) == 'string' and text:find('^%d+$') and tonumber(text)
  if not value or value >= EXACT then
    corrupt(field)
  end
  return value
end

local function text(value)
  return string.format('%.0f', value)
end

-- Whether one moment is after another. Compared as digits, because a lease may end in a year whose
-- microseconds no double can tell apart.
local function after(a, b)
  if #a ~= #b then
    return #a > #b
  end
  return a > b
end

local function read(key, field)
  local found = redis.call('GET', key)
  if not found then
    return nil
  end
  local good, value = pcall(cjson.decode, found)
  if not good or type(value) ~= 'table' then
    corrupt(field)
  end
  return value
end

-- What the operation id was used for: its record if it is this subject's and this method's, false
-- if it is another's, nil if it is new.
local function seen()
  local record = read(KEYS[2], 'operation')
  if not record then
    return nil
  end
  if record.subject ~= call.subject or record.method ~= call.method then
    return false
  end
  if call.touch then
    -- A replica that has seen this write has seen the first one too.
    redis.call('PEXPIRE', KEYS[2], call.keep)
  end
  return record
end

local events = {}

-- The event that leaves the user as it is now.
local function event(user, kind, operation, editor)
  events[#events + 1] = cjson.encode({
    kind = kind,
    version = user.version,
    state = user.state,
    failures = user.failures,
    must = user.must,
    hash = user.digest,
    operation = operation,
    editor = editor,
    date = user.changed,
  })
end

-- One more event after the newest, at the present or later.
local function append(user, kind, operation, editor)
  user.sequence = text(number(user.sequence, 'sequence') + 1)
  if after(now, user.changed) then
    user.changed = now
  end
  event(user, kind, operation, editor)
end

-- Writes a user or sham, the events that were made, and the operation's record.
local function save(holder, record)
  local before
  if #events > 0 then
    before = number(holder.sequence, 'sequence') - #events
    if redis.call('LLEN', KEYS[3]) ~= before then
      corrupt('events')
    end
    redis.call('XLEN', KEYS[4])
  end
  redis.call('SET', KEYS[1], cjson.encode(holder))
  if record then
    redis.call('SET', KEYS[2], cjson.encode(record), 'PX', call.keep)
  end
  for index, entry in ipairs(events) do
    redis.call('RPUSH', KEYS[3], entry)
    redis.call('XADD', KEYS[4], '0-*', 'user', call.user, 'sequence', text(before + index), 'time', real)
  end
end

-- Writes a mutation of a user and answers with its details.
local function finish(outcome, user)
  local record = {
    subject = call.subject,
    method = call.method,
    sequence = user.sequence,
    changed = user.changed,
  }
  save(user, record)
  return answer(outcome, { sequence = user.sequence, changed = user.changed })
end

local function replay(record)
  return answer('replayed', { sequence = record.sequence, changed = record.changed })
end
