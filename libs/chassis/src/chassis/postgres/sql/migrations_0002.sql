-- A shard for each of a topic's twelve partitions. A relay reports which of them its process consumes.
-- Keys move to other shards. An unsent row of the old shard could be sent after a newer row of the same key.
DO $$ BEGIN IF EXISTS (
    SELECT FROM outbox JOIN relay_cursor USING (shard) WHERE NOT pg_visible_in_snapshot(xid, snapshot)
) THEN RAISE EXCEPTION
    'the outbox has events that were not sent: start the release before, let it send them, stop it, then migrate'; END IF; END $$;

INSERT INTO relay_cursor (shard, snapshot) SELECT s, '3:3:' FROM generate_series(8, 11) AS s;

ALTER TABLE relay_member ADD COLUMN consumed smallint[] NOT NULL DEFAULT '{}'
