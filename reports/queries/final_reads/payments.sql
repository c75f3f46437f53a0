-- The payments that one shard has recorded, in cents.
SELECT
    p.transaction_id,
    encode(p.order_uid, 'hex') || coalesce(lpad(to_hex(o.bucket::int), 2, '0'), '') AS order_id,
    p.amount_cents
FROM payments AS p
LEFT JOIN orders AS o USING (order_uid)
ORDER BY p.transaction_id
