-- A cursor at the beginning, and with no owner, so that whoever takes the shard reads it; relays look for shards at once.
WITH rewound AS (
    UPDATE relay_cursor SET snapshot = '3:3:', upper = NULL, after_id = 0, owner = NULL, lease_until = NULL
)
SELECT count(*), pg_notify(:channel, '') FROM outbox
