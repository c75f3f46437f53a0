-- Admit an order at the gate, all lines or none. One call for the idempotency marker, the stock counters of the
-- order's shard, the purchase limit and the reservation.
-- KEYS: epoch, stock, pending, marker, bought, price
-- ARGV: now (s), uid, body hash, user, amount, purchase limit, check stock (1|0), then sku, quantity for each line
-- Returns {'reserved', lines} | {'joined', lines} | {'placed'|'compensated'|'queued', order_no, answer}
--       | {'unloaded'} | {'key_conflict'} | {'unknown_sku'|'sold_out'|'purchase_limit', sku} | {'amount', cents}
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  return {'unloaded'}
end
local mark = redis.call('HMGET', KEYS[4], 'state', 'body', 'lines', 'order_no', 'answer')
if mark[1] then
  if mark[2] ~= ARGV[3] then
    return {'key_conflict'}
  end
  if mark[1] ~= 'pending' and mark[1] ~= 'unknown' then
    return {mark[1], mark[4] or '', mark[5] or ''}
  end
  redis.call('HINCRBY', KEYS[4], 'holders', 1)
  redis.call('ZADD', KEYS[3], ARGV[1], ARGV[2])
  return {'joined', mark[3]}
end
local total, lines = 0, {}
for i = 8, #ARGV, 2 do
  local sku, quantity = ARGV[i], tonumber(ARGV[i + 1])
  local price, units = redis.call('HGET', KEYS[6], sku), redis.call('HGET', KEYS[2], sku)
  if not price or not units then
    return {'unknown_sku', sku}
  end
  if ARGV[7] == '1' and tonumber(units) < quantity then
    return {'sold_out', sku}
  end
  local bought = tonumber(redis.call('HGET', KEYS[5], ARGV[4] .. '|' .. sku) or '0')
  if bought + quantity > tonumber(ARGV[6]) then
    return {'purchase_limit', sku}
  end
  total = total + tonumber(price) * quantity
  lines[#lines + 1] = sku .. '=' .. quantity .. '=' .. price
end
if total ~= tonumber(ARGV[5]) then
  return {'amount', string.format('%.0f', total)}
end
for i = 8, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[2], ARGV[i], -tonumber(ARGV[i + 1]))
  redis.call('HINCRBY', KEYS[5], ARGV[4] .. '|' .. ARGV[i], tonumber(ARGV[i + 1]))
end
local text = table.concat(lines, ';')
redis.call('HSET', KEYS[4], 'state', 'pending', 'body', ARGV[3], 'user', ARGV[4], 'lines', text, 'epoch', epoch,
  'holders', 1)
redis.call('ZADD', KEYS[3], ARGV[1], ARGV[2])
return {'reserved', text}
