-- $1 topics, $2 the number of shards. A shard without a row begins at the lowest snapshot.
-- A snapshot above this server's next transaction id is from another server: the tables were restored. Then all rows are
-- read again, as relays do.
SELECT t.topic, s.shard::smallint,
       CASE WHEN is_usable THEN p.snapshot::text ELSE '3:3:' END AS snapshot,
       CASE WHEN is_usable THEN p.upper::text END AS upper,
       CASE WHEN is_usable THEN p.after_id ELSE 0 END AS after_id
FROM unnest($1::text[]) AS t(topic)
CROSS JOIN generate_series(0, $2::int - 1) AS s(shard)
LEFT JOIN reader_position p ON p.topic = t.topic AND p.shard = s.shard
CROSS JOIN LATERAL (
    SELECT coalesce(pg_snapshot_xmax(p.snapshot) <= pg_snapshot_xmax(pg_current_snapshot()), false) AS is_usable
) AS usable
