-- One shard. Run as a whole; may be run again.
CREATE TABLE IF NOT EXISTS orders (
    order_uid bytea PRIMARY KEY CHECK (octet_length(order_uid) = 16),
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    order_no text NOT NULL UNIQUE,
    channel text NOT NULL,
    user_id text NOT NULL,
    idempotency_key text NOT NULL,
    body_hash bytea NOT NULL,
    status smallint NOT NULL,
    state text NOT NULL CHECK (state IN ('placed', 'compensated')),
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    queue_seq bigint,
    placed_seq bigserial NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    paid_at timestamptz
);
-- A customer's orders, newest first: what the service desk asks for all day.
CREATE INDEX IF NOT EXISTS orders_by_user ON orders (user_id, placed_seq DESC);
CREATE TABLE IF NOT EXISTS order_lines (
    order_uid bytea NOT NULL REFERENCES orders,
    line_no smallint NOT NULL,
    sku text NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    unit_price_cents bigint NOT NULL CHECK (unit_price_cents >= 0),
    PRIMARY KEY (order_uid, line_no)
);
CREATE TABLE IF NOT EXISTS stock (
    sku text PRIMARY KEY,
    initial int NOT NULL CHECK (initial >= 0),
    available int NOT NULL CHECK (available >= 0),
    price_cents bigint NOT NULL CHECK (price_cents >= 0)
);
CREATE TABLE IF NOT EXISTS stock_ledger (
    id bigserial PRIMARY KEY,
    order_uid bytea,
    sku text NOT NULL,
    delta int NOT NULL,
    reason text NOT NULL,
    operator text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS money_ledger (
    id bigserial PRIMARY KEY,
    order_uid bytea NOT NULL,
    kind text NOT NULL CHECK (kind IN ('order', 'payment')),
    amount_cents bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS payments (
    transaction_id text PRIMARY KEY,
    order_uid bytea NOT NULL UNIQUE REFERENCES orders,
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    paid_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS outbox (
    id bigserial PRIMARY KEY,
    order_uid bytea NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE SEQUENCE IF NOT EXISTS order_number_seq;
-- A display number such as DY20260127000892. Shards never share a number: each has its own residue of 64. The
-- channel is letters only, so that the parts cannot run into each other; the sequence never steps back, the date may.
CREATE OR REPLACE FUNCTION order_number(p_shard int, p_channel text) RETURNS text
LANGUAGE sql AS $$
    SELECT p_channel || to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYYMMDD')
        || lpad(n::text, greatest(6, length(n::text)), '0')
    FROM (SELECT nextval('order_number_seq') * 64 + p_shard AS n) AS numbered
$$;
-- Write one admitted order and all that follows from it. NULL when the uid is there already.
CREATE OR REPLACE FUNCTION record_order(
    p_shard int, p_state text, p_uid bytea, p_bucket int, p_channel text, p_user text, p_key text,
    p_hash bytea, p_amount bigint, p_queue_seq bigint, p_skus text[], p_quantities int[], p_prices bigint[]
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_order_no text;
BEGIN
    INSERT INTO orders (order_uid, bucket, order_no, channel, user_id, idempotency_key, body_hash, status,
                        state, amount_cents, queue_seq)
    VALUES (p_uid, p_bucket, order_number(p_shard, p_channel), p_channel, p_user, p_key, p_hash,
            CASE p_state WHEN 'placed' THEN 10 ELSE 60 END, p_state, p_amount, p_queue_seq)
    ON CONFLICT (order_uid) DO NOTHING
    RETURNING orders.order_no INTO v_order_no;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO order_lines (order_uid, line_no, sku, quantity, unit_price_cents)
    SELECT p_uid, l.n, l.sku, l.quantity, l.price
    FROM unnest(p_skus, p_quantities, p_prices) WITH ORDINALITY AS l (sku, quantity, price, n);
    IF p_state = 'placed' THEN
        INSERT INTO stock_ledger (order_uid, sku, delta, reason, operator)
        SELECT p_uid, l.sku, -l.quantity, 'sale', 'order-service'
        FROM unnest(p_skus, p_quantities) AS l (sku, quantity);
        INSERT INTO money_ledger (order_uid, kind, amount_cents) VALUES (p_uid, 'order', p_amount);
    END IF;
    INSERT INTO outbox (order_uid, kind, payload)
    VALUES (p_uid, 'order_' || p_state, jsonb_build_object('order_no', v_order_no, 'amount_cents', p_amount));
    RETURN v_order_no;
END
$$;
-- Place a batch: stock rows are locked in the order of their sku, then orders are admitted in the order of the
-- batch, all lines of an order or none. One row per order, in that order. `p_lines_end[i]` is the position of the
-- last line of order i in the three line arrays. p_on_short: `refuse` stores nothing, `compensate` records the order.
CREATE OR REPLACE FUNCTION place_orders(
    p_shard int, p_on_short text, p_uids bytea[], p_buckets int[], p_channels text[], p_users text[],
    p_keys text[], p_hashes bytea[], p_amounts bigint[], p_queue_seqs bigint[], p_lines_end int[],
    p_skus text[], p_quantities int[], p_prices bigint[]
) RETURNS TABLE (r_result text, r_order_no text, r_state text, r_was_queued boolean)
LANGUAGE plpgsql AS $$
DECLARE
    v_first int := 1;
    v_last int;
    v_fits boolean;
    v_there orders%ROWTYPE;
BEGIN
    PERFORM 1 FROM stock AS s WHERE s.sku = ANY (p_skus) ORDER BY s.sku FOR UPDATE;
    FOR i IN 1 .. cardinality(p_uids) LOOP
        v_last := p_lines_end[i];
        r_order_no := NULL;
        r_state := 'placed';
        r_was_queued := p_queue_seqs[i] IS NOT NULL;
        SELECT * INTO v_there FROM orders AS o WHERE o.order_uid = p_uids[i];
        IF NOT FOUND THEN
            SELECT coalesce(bool_and(s.available >= l.quantity), false) INTO v_fits
            FROM unnest(p_skus[v_first:v_last], p_quantities[v_first:v_last]) AS l (sku, quantity)
            LEFT JOIN stock AS s USING (sku);
            r_result := CASE WHEN v_fits THEN 'placed' WHEN p_on_short = 'compensate' THEN 'compensated'
                        ELSE 'sold_out' END;
            IF r_result <> 'sold_out' THEN
                r_state := r_result;
                r_order_no := record_order(
                    p_shard, r_state, p_uids[i], p_buckets[i], p_channels[i], p_users[i], p_keys[i], p_hashes[i],
                    p_amounts[i], p_queue_seqs[i], p_skus[v_first:v_last], p_quantities[v_first:v_last],
                    p_prices[v_first:v_last]);
                IF r_order_no IS NULL THEN
                    SELECT * INTO v_there FROM orders AS o WHERE o.order_uid = p_uids[i];
                ELSIF v_fits THEN
                    UPDATE stock AS s SET available = s.available - l.quantity
                    FROM unnest(p_skus[v_first:v_last], p_quantities[v_first:v_last]) AS l (sku, quantity)
                    WHERE s.sku = l.sku;
                END IF;
            END IF;
        END IF;
        IF v_there.order_uid IS NOT NULL THEN
            r_result := CASE WHEN v_there.body_hash = p_hashes[i] THEN 'repeat' ELSE 'key_conflict' END;
            r_order_no := v_there.order_no;
            r_state := v_there.state;
            r_was_queued := v_there.queue_seq IS NOT NULL;
        END IF;
        RETURN NEXT;
        v_first := v_last + 1;
    END LOOP;
END
$$;
-- Pay an order once: `paid`, `repeat`, or why not. The row lock makes concurrent callbacks wait for each other.
CREATE OR REPLACE FUNCTION pay_order(p_uid bytea, p_transaction text, p_amount bigint, p_paid_at timestamptz)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_order orders%ROWTYPE;
    v_known payments%ROWTYPE;
BEGIN
    SELECT * INTO v_order FROM orders AS o WHERE o.order_uid = p_uid FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'not_found';
    END IF;
    IF v_order.amount_cents <> p_amount THEN
        RETURN 'amount_mismatch';
    END IF;
    SELECT * INTO v_known FROM payments AS p WHERE p.order_uid = p_uid;
    IF FOUND THEN
        RETURN CASE WHEN v_known.transaction_id = p_transaction THEN 'repeat' ELSE 'other_transaction' END;
    END IF;
    IF v_order.status <> 10 THEN
        RETURN 'not_payable';
    END IF;
    INSERT INTO payments (transaction_id, order_uid, amount_cents, paid_at)
    VALUES (p_transaction, p_uid, p_amount, p_paid_at)
    ON CONFLICT (transaction_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'other_transaction';
    END IF;
    UPDATE orders SET status = 20, paid_at = p_paid_at WHERE order_uid = p_uid AND status = 10;
    INSERT INTO money_ledger (order_uid, kind, amount_cents) VALUES (p_uid, 'payment', p_amount);
    INSERT INTO outbox (order_uid, kind, payload)
    VALUES (p_uid, 'order_paid', jsonb_build_object('transaction_id', p_transaction, 'amount_cents', p_amount));
    RETURN 'paid';
END
$$;
-- What the gate is rebuilt from, in one snapshot: stock, what each user has bought, and which of these orders exist.
CREATE OR REPLACE FUNCTION gate_snapshot(p_uids bytea[]) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'stock', (SELECT coalesce(json_agg(json_build_array(s.sku, s.available, s.price_cents)), '[]') FROM stock AS s),
        'bought', (
            SELECT coalesce(json_agg(json_build_array(b.user_id, b.sku, b.units)), '[]')
            FROM (
                SELECT o.user_id, l.sku, sum(l.quantity) AS units
                FROM orders AS o JOIN order_lines AS l USING (order_uid)
                WHERE o.state = 'placed' GROUP BY o.user_id, l.sku
            ) AS b
        ),
        'orders', (
            SELECT coalesce(json_agg(json_build_array(
                encode(o.order_uid, 'hex'), o.order_no, o.state, o.queue_seq IS NOT NULL)), '[]')
            FROM orders AS o WHERE o.order_uid = ANY (p_uids)
        )
    )
$$;
