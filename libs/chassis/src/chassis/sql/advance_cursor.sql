-- $1 to $3 the cursor, $4 this relay, $5 shards. Returns those that are still this relay's.
UPDATE relay_cursor SET snapshot = $1::text::pg_snapshot, upper = $2::text::pg_snapshot, after_id = $3
WHERE owner = $4 AND shard = ANY($5::smallint[])
RETURNING shard
