-- Only what every relay is past: the shard's cursor sees its transaction. Only the oldest rows are looked at, so that
-- it costs the same however much is retained.
DELETE FROM outbox WHERE id = ANY(ARRAY(
    SELECT o.id
    FROM (SELECT id, shard, xid, time FROM outbox ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED) o
    JOIN relay_cursor c USING (shard)
    WHERE o.time < now() - CAST(:outbox AS interval) AND pg_visible_in_snapshot(o.xid, c.snapshot)))
RETURNING id
