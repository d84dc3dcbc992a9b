-- $1 all shards, as the index begins with them.
-- A visible row of a transaction that is yet to come was restored from another cluster. No snapshot of this one would
-- see it, so that it would be sent for ever: it becomes a row of this transaction.
UPDATE outbox SET xid = pg_current_xact_id()
WHERE shard = ANY($1::smallint[]) AND xid >= pg_snapshot_xmax(pg_current_snapshot())
