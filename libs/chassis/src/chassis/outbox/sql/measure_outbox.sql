-- How long the oldest row waits, in seconds; how many rows were not sent (counting stops at 10,000) and how many are set
-- aside; and how many shards no relay has leased. Each shard's rows are found by an index: after the snapshot, among its
-- open transactions, or, while a window is sent in pages, after the last page. The oldest is the first one.
SELECT coalesce(extract(epoch FROM now() - least(
    (SELECT min(oldest.time) FROM relay_cursor c CROSS JOIN LATERAL (
        (SELECT o.time FROM outbox o
         WHERE c.upper IS NULL AND o.shard = c.shard AND o.xid >= pg_snapshot_xmax(c.snapshot)
         ORDER BY o.shard, o.xid LIMIT 1)
        UNION ALL
        (SELECT o.time FROM outbox o
         WHERE c.upper IS NULL AND o.shard = c.shard AND o.xid = ANY(ARRAY(SELECT pg_snapshot_xip(c.snapshot)))
         ORDER BY o.shard, o.xid LIMIT 1)
        UNION ALL
        (SELECT o.time FROM outbox o
         WHERE c.upper IS NOT NULL AND o.id > c.after_id AND o.shard + 0 = c.shard
           AND NOT pg_visible_in_snapshot(o.xid, c.snapshot)
         ORDER BY o.id LIMIT 1)
    ) AS oldest),
    (SELECT o.time FROM outbox_set_aside s JOIN outbox o USING (id) WHERE s.state <> 'GIVEN_UP' ORDER BY s.id LIMIT 1)
)), 0)::float8 AS oldest_seconds,
(SELECT count(*) FROM (
    SELECT FROM relay_cursor c CROSS JOIN LATERAL (
        (SELECT FROM outbox o
         WHERE c.upper IS NULL AND o.shard = c.shard AND o.xid >= pg_snapshot_xmax(c.snapshot) LIMIT 10000)
        UNION ALL
        (SELECT FROM outbox o
         WHERE c.upper IS NULL AND o.shard = c.shard AND o.xid = ANY(ARRAY(SELECT pg_snapshot_xip(c.snapshot))) LIMIT 10000)
        UNION ALL
        (SELECT FROM outbox o
         WHERE c.upper IS NOT NULL AND o.id > c.after_id AND o.shard + 0 = c.shard
           AND NOT pg_visible_in_snapshot(o.xid, c.snapshot) LIMIT 10000)
    ) AS one LIMIT 10000
) AS unsent) AS unsent,
(SELECT count(*) FROM outbox_set_aside WHERE state = 'DELAYED') AS delayed,
(SELECT count(*) FROM outbox_set_aside WHERE state = 'REFUSED') AS refused,
(SELECT count(*) FROM relay_cursor WHERE lease_until IS NULL OR lease_until < now()) AS without_lease
