-- $1 shards, $2 snapshot, $3 upper or NULL, $4 after_id, $5 page. A window is the set of rows between two snapshots.
-- Its first page (no upper) reads the rows that are not visible in the snapshot. Its later pages continue after the
-- last id, so that a page costs the same for any number of waiting rows.
-- pg_current_snapshot() is the statement's own snapshot, so read_snapshot is exactly the snapshot of this page.
-- `id + 0` keeps the planner from walking the primary key through all rows that were sent long ago; `shard + 0` makes
-- it use the primary key for the later pages of a window, which are read in the order of id.
WITH unseen AS (
    SELECT * FROM outbox
    WHERE $3::text IS NULL AND shard = ANY($1::smallint[]) AND xid >= pg_snapshot_xmax($2::text::pg_snapshot)
    UNION ALL
    SELECT * FROM outbox
    WHERE $3::text IS NULL AND shard = ANY($1::smallint[])
      AND xid = ANY(ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot)))
    UNION ALL
    (SELECT * FROM outbox
     WHERE $3::text IS NOT NULL AND id > $4 AND shard + 0 = ANY($1::smallint[])
       AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
       AND NOT pg_visible_in_snapshot(xid, $2::text::pg_snapshot)
     ORDER BY id LIMIT $5)
)
SELECT id, pg_current_snapshot()::text AS read_snapshot,
       shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data
FROM unseen
ORDER BY id + 0
LIMIT $5
