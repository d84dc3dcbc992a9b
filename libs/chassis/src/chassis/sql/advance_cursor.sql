-- $1 to $3 the cursor, $4 this relay, $5 shards, $6 where their rows are. Returns those that are still this relay's.
-- By ctid, because while some transaction stays open no version of a row goes away: to find the living one by an index is
-- to look at all before it, thousands after minutes. A ctid that is out of date finds nothing, or another of these shards.
UPDATE relay_cursor SET snapshot = $1::text::pg_snapshot, upper = $2::text::pg_snapshot, after_id = $3
WHERE ctid = ANY($6::tid[]) AND owner = $4 AND shard + 0 = ANY($5::smallint[])
RETURNING shard, ctid
