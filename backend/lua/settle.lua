-- End a reservation: the order is recorded. Idempotent.
-- KEYS: epoch, stock, pending, marker, bought
-- ARGV: uid, state (placed|compensated), order_no, answer (201|202), body hash (empty: as reserved), kept for (s),
--       give back: never | always (a compensated order sold nothing) | if-alone (the row was there before the
--       reservation, so its units were counted before; not when somebody has joined, whose write it may be)
local mark = redis.call('HMGET', KEYS[4], 'state', 'epoch', 'user', 'lines', 'holders', 'body')
if mark[1] == 'placed' or mark[1] == 'compensated' then
  return 0
end
local gives_back = ARGV[7] == 'always' or (ARGV[7] == 'if-alone' and mark[1] == 'pending' and mark[5] == '1')
if gives_back and mark[1] and mark[2] == redis.call('GET', KEYS[1]) then
  for sku, quantity in string.gmatch(mark[4], '([^=;]+)=(%d+)=%d+') do
    redis.call('HINCRBY', KEYS[2], sku, tonumber(quantity))
    redis.call('HINCRBY', KEYS[5], mark[3] .. '|' .. sku, -tonumber(quantity))
  end
end
redis.call('ZREM', KEYS[3], ARGV[1])
local body = ARGV[5] ~= '' and ARGV[5] or mark[6]
if not body then
  return 0
end
redis.call('DEL', KEYS[4])
redis.call('HSET', KEYS[4], 'state', ARGV[2], 'order_no', ARGV[3], 'answer', ARGV[4], 'body', body)
redis.call('EXPIRE', KEYS[4], ARGV[6])
return 1
