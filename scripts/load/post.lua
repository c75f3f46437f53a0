-- wrk's contender: the same order, with a key of its own. wrk parses the head of an answer, not its JSON.
wrk.method = "POST"
wrk.body = '{"user_id":"u4711","channel":"DY","lines":[{"sku":"hot-1","quantity":1,"price":"19.99"}]}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json"

local number = 0

request = function()
  number = number + 1
  wrk.headers["Idempotency-Key"] = string.format("%032x", number)
  return wrk.format(nil, "/orders")
end
