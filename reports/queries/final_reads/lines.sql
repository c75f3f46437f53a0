-- Every order line of one shard. A line without its order keeps the uid alone as its id.
SELECT
    encode(l.order_uid, 'hex') || coalesce(lpad(to_hex(o.bucket::int), 2, '0'), '') AS order_id,
    l.sku,
    l.quantity,
    l.unit_price_cents
FROM order_lines AS l
LEFT JOIN orders AS o USING (order_uid)
ORDER BY l.order_uid, l.line_no
