-- One holder of a reservation lets go of it. The units go back when nobody holds it and nobody is in doubt.
-- KEYS: epoch, stock, pending, marker, bought
-- ARGV: uid, how: refused (this attempt certainly wrote nothing) | unknown (it may have)
--       | queued (its record is durable) | expired (nothing refers to it), oldest use for `expired` (s)
local mark = redis.call('HMGET', KEYS[4], 'state', 'epoch', 'user', 'lines')
if mark[1] == 'placed' or mark[1] == 'compensated' then
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 0
end
if not mark[1] then
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 0
end
if ARGV[2] == 'expired' then
  local used = redis.call('ZSCORE', KEYS[3], ARGV[1])
  if used and tonumber(used) > tonumber(ARGV[3]) then
    return 0
  end
else
  local holders = redis.call('HINCRBY', KEYS[4], 'holders', -1)
  if ARGV[2] == 'unknown' or ARGV[2] == 'queued' then
    if mark[1] ~= 'queued' then
      redis.call('HSET', KEYS[4], 'state', ARGV[2])
    end
    return 0
  end
  if mark[1] ~= 'pending' or holders > 0 then
    return 0
  end
end
if mark[2] == redis.call('GET', KEYS[1]) then
  for sku, quantity in string.gmatch(mark[4], '([^=;]+)=(%d+)=%d+') do
    redis.call('HINCRBY', KEYS[2], sku, tonumber(quantity))
    redis.call('HINCRBY', KEYS[5], mark[3] .. '|' .. sku, -tonumber(quantity))
  end
end
redis.call('DEL', KEYS[4])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
