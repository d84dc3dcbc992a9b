-- A shard for each of a topic's twelve partitions, and which of them a relay's process consumes.
-- A key's shard changes: what is still to be sent from the old one could be overtaken.
DO $$ BEGIN IF EXISTS (
    SELECT FROM outbox JOIN relay_cursor USING (shard) WHERE NOT pg_visible_in_snapshot(xid, snapshot)
) THEN RAISE EXCEPTION
    'the outbox has events that were not sent: start the release before, let it send them, stop it, then migrate'; END IF; END $$;

INSERT INTO relay_cursor (shard, snapshot) SELECT s, '3:3:' FROM generate_series(8, 11) AS s;

ALTER TABLE relay_member ADD COLUMN consumed smallint[] NOT NULL DEFAULT '{}'
