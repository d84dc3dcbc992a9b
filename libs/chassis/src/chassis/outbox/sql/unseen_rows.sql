-- $1 shards, $2 snapshot, $3 upper or NULL, $4 after_id, $5 page. The page that begins a window (no upper) looks for what
-- the snapshot could not see; those behind it walk on from the last id, so that a page costs the same however much waits.
-- pg_current_snapshot() is the statement's own snapshot, so read_snapshot is exactly what this page was read from.
-- `id + 0` keeps the planner from walking the primary key through all that was sent long ago; `shard + 0` has it walk
-- the primary key where that is right.
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
