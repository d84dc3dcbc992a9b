-- The rows of one topic that are visible in $1, from the id $2 on, at most $3.
SELECT id, shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data
FROM {view}
WHERE id >= $2 AND pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
ORDER BY id LIMIT $3
