-- The money ledger of one shard, in cents.
SELECT
    encode(m.order_uid, 'hex') || coalesce(lpad(to_hex(o.bucket::int), 2, '0'), '') AS order_id,
    m.kind,
    m.amount_cents
FROM money_ledger AS m
LEFT JOIN orders AS o USING (order_uid)
ORDER BY m.id
