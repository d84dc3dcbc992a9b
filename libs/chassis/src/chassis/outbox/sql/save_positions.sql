-- $1 this relay, $2 its positions. A shard that it has lost, or that a republish has reset, keeps its position.
UPDATE relay_cursor c
SET snapshot = r.snapshot, upper = r.upper, after_id = r.after_id
FROM jsonb_to_recordset($2) AS r(shard smallint, snapshot pg_snapshot, upper pg_snapshot, after_id bigint)
WHERE c.shard = r.shard AND c.owner = $1
