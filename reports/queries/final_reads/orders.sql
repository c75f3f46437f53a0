-- Every order of one shard; the public id is the uid in hex and the bucket in two more hex digits.
SELECT
    encode(order_uid, 'hex') || lpad(to_hex(bucket::int), 2, '0') AS order_id,
    coalesce(order_no, '') AS order_no,
    user_id,
    idempotency_key AS key,
    status::int AS status,
    state,
    amount_cents,
    placed_seq,
    queue_seq
FROM orders
ORDER BY placed_seq
