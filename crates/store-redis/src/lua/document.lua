-- Writes a document, or removes it, if it is still the one that was read.
--
-- KEYS: 1 the document. It is stored as six words, the last of which is its sign: '+' and the text
-- as it is, spaces and all, or '-' where it was removed.

local found = redis.call('GET', KEYS[1])
local operation, revision, created, changed, expires, sign
if found then
  operation, revision, created, changed, expires, sign =
    found:match('^(%x+) (%d+) (%d+) (%d+) (%S+) ([+-])')
  if not sign then
    corrupt('document')
  end
end

if operation == call.operation then
  if call.touch then
    -- A replica that has seen this write has seen the first one too.
    redis.call('SET', KEYS[1], found, 'KEEPTTL')
  end
  return { 'replayed', revision, created, changed }
end
local present = sign == '+' and (expires == '-' or after(expires, now))
if (present and revision or nil) ~= call.expected then
  return { 'conflict' }
end

revision = word(number(revision or '0', 'revision') + 1)
changed = changed and after(changed, now) and changed or now
created = present and created or changed
local fields = { call.operation, revision, created, changed }
if not call.text then
  -- What is left of a document that had an end goes when it would have gone.
  fields[5], fields[6] = expires or '-', '-'
  redis.call('SET', KEYS[1], table.concat(fields, ' '), 'KEEPTTL')
elseif call.keeps_end and present then
  fields[5], fields[6] = expires, '+'
  redis.call('SET', KEYS[1], table.concat(fields, ' ') .. call.text, 'KEEPTTL')
elseif call.ttl then
  fields[5], fields[6] = word(number(now, 'changed') + number(call.ttl, 'document')), '+'
  redis.call('SET', KEYS[1], table.concat(fields, ' ') .. call.text, 'PX', call.keep)
else
  fields[5], fields[6] = '-', '+'
  redis.call('SET', KEYS[1], table.concat(fields, ' ') .. call.text)
end
return { 'written', revision, created, changed }
