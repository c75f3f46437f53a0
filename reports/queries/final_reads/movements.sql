-- The stock ledger of one shard; delta is negative for a sale. A movement of no order has an empty id.
SELECT
    coalesce(encode(m.order_uid, 'hex') || coalesce(lpad(to_hex(o.bucket::int), 2, '0'), ''), '') AS order_id,
    m.sku,
    m.delta
FROM stock_ledger AS m
LEFT JOIN orders AS o USING (order_uid)
ORDER BY m.id
