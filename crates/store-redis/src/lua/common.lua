#!lua
-- The start of every script. The shebang makes Redis refuse a script that it could not let write
-- (full memory, a replica, a failed save) before it begins, and not in the middle.
--
-- KEYS: 1 the user or sham, 2 the operation's record, 3 the user's events, 4 the outbox. A script
-- on a document has that one key.
-- ARGV: names and values by turns.
--
-- Users and shams are stored as JSON, events and operations as words between spaces, with '-' for
-- one that is absent: that is what Lua reads and writes fastest. Counts of 32 bits are numbers;
-- larger ones stay words, as a number of Lua is a double. A moment is the word of its microseconds
-- since 1970. Nothing is written before everything that can fail has been done.

local call = {}
for index = 1, #ARGV, 2 do
  call[ARGV[index]] = ARGV[index + 1]
end

local clock = redis.call('TIME')
local real = clock[1] .. ('00000' .. clock[2]):sub(-6)
local now = call.now or real

-- Doubles are exact below it.
local EXACT = 9007199254740992

-- Ends the script. The reply names the field and holds no value.
local function corrupt(field)
  error({ err = 'CORRUPT ' .. field })
end

local function number(word, field)
  local value = type(word) == 'string' and word:find('^%d+$') and tonumber(word)
  if not value or value >= EXACT then
    corrupt(field)
  end
  return value
end

local function word(value)
  return string.format('%d', value)
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

-- Whether one moment is after another. Compared as digits, because a lease may end in a year whose
-- microseconds no double can tell apart.
local function after(a, b)
  if #a ~= #b then
    return #a > #b
  end
  return a > b
end

-- What the operation id was used for: its record if it is this subject's and this method's, false
-- if it is another's, nil if it is new.
local function seen()
  local found = redis.call('GET', KEYS[2])
  if not found then
    return nil
  end
  local subject, method, sequence, changed, failures, locked =
    found:match('^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  if not subject then
    corrupt('operation')
  elseif subject ~= call.subject or method ~= call.method then
    return false
  end
  if call.touch then
    -- A replica that has seen this write has seen the first one too.
    redis.call('SET', KEYS[2], found, 'KEEPTTL')
  end
  return { sequence = sequence, changed = changed, failures = failures, locked = locked }
end

local function remember(sequence, changed, failures, locked)
  local fields = { call.subject, call.method, sequence, changed, failures, locked }
  local record = table.concat(fields, ' ')
  if call.keep then
    redis.call('SET', KEYS[2], record, 'PX', call.keep)
  else
    redis.call('SET', KEYS[2], record)
  end
end

local function replay(record)
  return { 'replayed', record.sequence, record.changed }
end
