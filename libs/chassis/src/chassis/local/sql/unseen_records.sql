-- The rows of one topic that a reader has not taken. {view} is the topic's view.
-- $1 shards, $2 snapshot, $3 upper or NULL, $4 after_id, $5 page. The windows are those of the relay's unseen_rows.sql.
-- The result has at least one row. If no row of the topic is found, its other columns are NULL: the snapshot is needed in
-- any case, because other topics fill the same outbox.
WITH unseen AS (
    SELECT * FROM {view}
    WHERE $3::text IS NULL AND shard = ANY($1::smallint[]) AND xid >= pg_snapshot_xmax($2::text::pg_snapshot)
    UNION ALL
    SELECT * FROM {view}
    WHERE $3::text IS NULL AND shard = ANY($1::smallint[])
      AND xid = ANY(ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot)))
    UNION ALL
    (SELECT * FROM {view}
     WHERE $3::text IS NOT NULL AND id > $4 AND shard + 0 = ANY($1::smallint[])
       AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
       AND NOT pg_visible_in_snapshot(xid, $2::text::pg_snapshot)
     ORDER BY id LIMIT $5)
), page AS (
    SELECT * FROM unseen ORDER BY id + 0 LIMIT $5
)
SELECT now.read_snapshot, id, shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data
FROM (SELECT pg_current_snapshot()::text AS read_snapshot) now LEFT JOIN page ON true
ORDER BY id
