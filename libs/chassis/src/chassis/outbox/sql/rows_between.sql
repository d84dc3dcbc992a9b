-- The rows that are visible in the snapshot $2 and not in the earlier snapshot $1, in the order of their ids.
-- A row that is not visible in $1 belongs to a transaction at or above its xmin, so an index finds the rows.
-- A row that was given up is never sent.
SELECT shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data
FROM outbox o
WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
  AND pg_visible_in_snapshot(xid, $2::text::pg_snapshot)
  AND NOT EXISTS (SELECT FROM outbox_set_aside s WHERE s.id = o.id AND s.state = 'GIVEN_UP')
ORDER BY id
