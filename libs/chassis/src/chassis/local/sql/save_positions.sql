-- $1 this reader, $2 its positions. A reader that has lost the lease changes nothing.
INSERT INTO reader_position (topic, shard, snapshot, upper, after_id)
SELECT topic, shard, snapshot, upper, after_id
FROM jsonb_to_recordset($2) AS r(topic text, shard smallint, snapshot pg_snapshot, upper pg_snapshot, after_id bigint)
WHERE EXISTS (SELECT FROM reader_lease WHERE owner = $1)
ON CONFLICT (topic, shard) DO UPDATE
SET snapshot = excluded.snapshot, upper = excluded.upper, after_id = excluded.after_id
