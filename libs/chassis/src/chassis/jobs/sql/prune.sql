-- A batch of each table. Rows that another replica is deleting are skipped. Outbox rows are deleted if they were sent or
-- given up: their transaction is visible in the position of their shard, and they are not set aside as DELAYED or
-- REFUSED. Only the oldest outbox rows are read, so the statement costs the same however many rows are retained. The two
-- small tables, of rows that were given up and of relays that ended, have no limit.
WITH of_outbox AS (
    DELETE FROM outbox WHERE id = ANY(ARRAY(
        SELECT o.id
        FROM (SELECT id, shard, xid, time FROM outbox ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED) o
        JOIN relay_cursor c USING (shard)
        WHERE o.time < now() - CAST(:outbox AS interval) AND pg_visible_in_snapshot(o.xid, c.snapshot)
          AND NOT EXISTS (SELECT FROM outbox_set_aside s WHERE s.id = o.id AND s.state <> 'GIVEN_UP')))
    RETURNING 1
), of_given_up_rows AS (
    DELETE FROM outbox_set_aside WHERE ended_at < now() - CAST(:outbox AS interval) RETURNING 1
), of_inbox AS (
    DELETE FROM inbox WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM inbox WHERE received_at < now() - CAST(:inbox AS interval)
        LIMIT :batch FOR UPDATE SKIP LOCKED))
    RETURNING 1
), of_idempotency_keys AS (
    DELETE FROM idempotency_keys WHERE key = ANY(ARRAY(
        SELECT key FROM idempotency_keys WHERE created_at < now() - CAST(:inbox AS interval)
        LIMIT :batch FOR UPDATE SKIP LOCKED))
    RETURNING 1
), of_dead_letters AS (
    DELETE FROM dead_letters WHERE id = ANY(ARRAY(
        SELECT id FROM dead_letters WHERE ended_at < now() - CAST(:inbox AS interval)
        LIMIT :batch FOR UPDATE SKIP LOCKED))
    RETURNING 1
), of_relay_members AS (
    DELETE FROM relay_member WHERE seen_until < now() - interval '1 day' RETURNING 1
)
SELECT (SELECT count(*) FROM of_outbox) + (SELECT count(*) FROM of_inbox) + (SELECT count(*) FROM of_idempotency_keys)
    + (SELECT count(*) FROM of_dead_letters) + (SELECT count(*) FROM of_relay_members)
