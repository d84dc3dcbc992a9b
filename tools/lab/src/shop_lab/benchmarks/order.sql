-- The baseline: every row that one confirmed order leaves in the five databases, by the plainest SQL there is.
-- One event is one transaction, as a service without batches would do it; what relays and jobs look for is not here,
-- only what they find. Run by pgbench -M prepared in a database with a copy of each service's tables.
\set first random(0, 31)
\set second random(32, 63)
SELECT uuidv7() AS order_id, uuidv7() AS payment_id, uuidv7() AS letter_id,
       uuidv7() AS e1, uuidv7() AS e2, uuidv7() AS e3, uuidv7() AS e4, uuidv7() AS e5, uuidv7() AS e6 \gset

-- orders: place_order
BEGIN;
INSERT INTO orders.idempotency_keys (key, request_hash) VALUES (:order_id::text, '\x00'::bytea) ON CONFLICT DO NOTHING;
SELECT sku, price_minor, currency FROM orders.prices WHERE sku = ANY(ARRAY['BENCH-' || lpad(:first::text, 2, '0'), 'BENCH-' || lpad(:second::text, 2, '0')]);
INSERT INTO orders.orders (id, customer_id, state, total_minor, currency, lines, history, version, placed_at, deadline_at, traceparent) VALUES (:order_id::uuid, 'customer-007', 'PENDING', 500, 'EUR', :lines::jsonb, :history::jsonb, 1, now(), now() + interval '1 hour', :traceparent);
UPDATE orders.idempotency_keys SET status = 202, body = :answer::jsonb, headers = '{}' WHERE key = :order_id::text;
INSERT INTO orders.outbox (shard, event_id, topic, key, type, time, correlation_id, traceparent, data) VALUES (1, :e1::uuid, 'orders.order.v1', :order_id::text, 'orders.order-placed.v1', now(), :order_id::text, :traceparent, :placed::text);
COMMIT;

-- inventory: reserve_stock
BEGIN;
INSERT INTO inventory.inbox (consumer_group, source, event_id) VALUES ('inventory', '/orders', :e1::uuid) ON CONFLICT DO NOTHING;
INSERT INTO inventory.reservations (order_id, state, lines, version, decided_at) VALUES (:order_id::uuid, 'RESERVED', :lines::jsonb, 1, now());
UPDATE inventory.products SET reserved = reserved + 1 WHERE sku = ANY(ARRAY['BENCH-' || lpad(:first::text, 2, '0'), 'BENCH-' || lpad(:second::text, 2, '0')]) AND reserved + 1 <= on_hand;
INSERT INTO inventory.outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data) VALUES (1, :e2::uuid, 'inventory.reservation.v1', :order_id::text, 'inventory.stock-reserved.v1', now(), :order_id::text, :e1::uuid, :traceparent, :reserved::text);
COMMIT;

-- payments: open_payment
BEGIN;
INSERT INTO payments.inbox (consumer_group, source, event_id) VALUES ('payments', '/orders', :e1::uuid) ON CONFLICT DO NOTHING;
INSERT INTO payments.payments (order_id, payment_id, customer_id, amount_minor, currency, token, deadline_at, cause, state) VALUES (:order_id::uuid, :payment_id::uuid, 'customer-007', 500, 'EUR', 'tok_ok', now() + interval '1 hour', :cause::jsonb, 'OPENED');
COMMIT;

-- payments: capture_payment
BEGIN;
INSERT INTO payments.inbox (consumer_group, source, event_id) VALUES ('payments', '/inventory', :e2::uuid) ON CONFLICT DO NOTHING;
UPDATE payments.payments SET stock_reserved = true, cause = :cause::jsonb, state = 'DUE', due_at = now() WHERE order_id = :order_id::uuid;
COMMIT;

-- payments: settle, before and after the processor is asked
BEGIN;
UPDATE payments.payments SET state = 'CAPTURING', attempts = attempts + 1, due_at = now() + interval '10 seconds' WHERE order_id = :order_id::uuid;
COMMIT;
BEGIN;
UPDATE payments.payments SET state = 'CAPTURED', charge_id = :payment_id::text, version = version + 1, token = NULL, due_at = NULL, settled_at = now() WHERE order_id = :order_id::uuid;
INSERT INTO payments.outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data) VALUES (1, :e3::uuid, 'payments.payment.v1', :order_id::text, 'payments.payment-captured.v1', now(), :order_id::text, :e2::uuid, :traceparent, :captured::text);
COMMIT;

-- orders: confirm_order
BEGIN;
INSERT INTO orders.inbox (consumer_group, source, event_id) VALUES ('orders', '/payments', :e3::uuid) ON CONFLICT DO NOTHING;
UPDATE orders.orders SET state = 'CONFIRMED', version = version + 1, ended_at = now(), history = history || :history::jsonb WHERE id = :order_id::uuid AND state = 'PENDING';
INSERT INTO orders.outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data) VALUES (1, :e4::uuid, 'orders.order.v1', :order_id::text, 'orders.order-confirmed.v1', now(), :order_id::text, :e3::uuid, :traceparent, :confirmed::text);
COMMIT;

-- inventory: commit_stock
BEGIN;
INSERT INTO inventory.inbox (consumer_group, source, event_id) VALUES ('inventory', '/orders', :e4::uuid) ON CONFLICT DO NOTHING;
UPDATE inventory.reservations SET state = 'COMMITTED', version = version + 1, ended_at = now() WHERE order_id = :order_id::uuid AND state = 'RESERVED';
UPDATE inventory.products SET on_hand = on_hand - 1, reserved = reserved - 1, sold = sold + 1 WHERE sku = ANY(ARRAY['BENCH-' || lpad(:first::text, 2, '0'), 'BENCH-' || lpad(:second::text, 2, '0')]);
INSERT INTO inventory.outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data) VALUES (1, :e5::uuid, 'inventory.reservation.v1', :order_id::text, 'inventory.stock-committed.v1', now(), :order_id::text, :e4::uuid, :traceparent, :committed::text);
COMMIT;

-- notifications: announce_confirmation
BEGIN;
INSERT INTO notifications.inbox (consumer_group, source, event_id) VALUES ('notifications', '/orders', :e4::uuid) ON CONFLICT DO NOTHING;
INSERT INTO notifications.notifications (id, order_id, kind, customer_id, amount_minor, currency, message_id, state, cause_event_id, correlation_id, traceparent) VALUES (:letter_id::uuid, :order_id::uuid, 'confirmed', 'customer-007', 500, 'EUR', :letter_id::text, 'PENDING', :e4::uuid, :order_id::text, :traceparent);
COMMIT;

-- notifications: deliver, before and after the letter is sent
BEGIN;
UPDATE notifications.notifications SET due_at = now() + interval '1 minute', attempts = attempts + 1 WHERE id = :letter_id::uuid;
COMMIT;
BEGIN;
UPDATE notifications.notifications SET state = 'SENT', channel = 'log', sent_at = now() WHERE id = :letter_id::uuid;
INSERT INTO notifications.outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data) VALUES (1, :e6::uuid, 'notifications.notification.v1', :order_id::text, 'notifications.notification-sent.v1', now(), :order_id::text, :e4::uuid, :traceparent, :sent::text);
COMMIT;

-- analytics: six facts of one order
BEGIN;
INSERT INTO analytics.inbox (consumer_group, source, event_id) VALUES ('analytics', '/orders', :e1::uuid) ON CONFLICT DO NOTHING;
INSERT INTO analytics.order_facts (generation, order_id, order_version, order_state, placed_at, total_minor, currency, lines) VALUES (1, :order_id::uuid, 1, 'PENDING', now(), 500, 'EUR', :lines::jsonb);
COMMIT;
BEGIN;
INSERT INTO analytics.inbox (consumer_group, source, event_id) VALUES ('analytics', '/inventory', :e2::uuid) ON CONFLICT DO NOTHING;
UPDATE analytics.order_facts SET reservation_version = 1, reservation_state = 'RESERVED', reserved_at = now() WHERE generation = 1 AND order_id = :order_id::uuid;
COMMIT;
BEGIN;
INSERT INTO analytics.inbox (consumer_group, source, event_id) VALUES ('analytics', '/payments', :e3::uuid) ON CONFLICT DO NOTHING;
UPDATE analytics.order_facts SET payment_version = 1, payment_state = 'CAPTURED', captured_at = now() WHERE generation = 1 AND order_id = :order_id::uuid;
COMMIT;
BEGIN;
INSERT INTO analytics.inbox (consumer_group, source, event_id) VALUES ('analytics', '/orders', :e4::uuid) ON CONFLICT DO NOTHING;
UPDATE analytics.order_facts SET order_version = 2, order_state = 'CONFIRMED', confirmed_at = now() WHERE generation = 1 AND order_id = :order_id::uuid;
COMMIT;
BEGIN;
INSERT INTO analytics.inbox (consumer_group, source, event_id) VALUES ('analytics', '/inventory', :e5::uuid) ON CONFLICT DO NOTHING;
UPDATE analytics.order_facts SET reservation_version = 2, reservation_state = 'COMMITTED' WHERE generation = 1 AND order_id = :order_id::uuid;
COMMIT;
BEGIN;
INSERT INTO analytics.inbox (consumer_group, source, event_id) VALUES ('analytics', '/notifications', :e6::uuid) ON CONFLICT DO NOTHING;
UPDATE analytics.order_facts SET notified_at = now() WHERE generation = 1 AND order_id = :order_id::uuid;
COMMIT;
