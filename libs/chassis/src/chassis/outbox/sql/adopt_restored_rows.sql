-- $1 all shards, as the index begins with them.
-- If xid is at or above this server's next transaction id, the row was restored from another server, and its xid means
-- nothing here. pg_visible_in_snapshot would be false for a long time, so the relay would send the row again and again.
-- Give it the id of this transaction.
UPDATE outbox SET xid = pg_current_xact_id()
WHERE shard = ANY($1::smallint[]) AND xid >= pg_snapshot_xmax(pg_current_snapshot())
