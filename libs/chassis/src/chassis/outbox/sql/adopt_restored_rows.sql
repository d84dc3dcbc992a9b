-- $1 all shards, as the index begins with them.
-- A visible row of a transaction that has not begun yet was restored from another PostgreSQL server. It would be
-- visible in no snapshot of this one, and so be sent again and again. Here it becomes a row of this transaction.
UPDATE outbox SET xid = pg_current_xact_id()
WHERE shard = ANY($1::smallint[]) AND xid >= pg_snapshot_xmax(pg_current_snapshot())
