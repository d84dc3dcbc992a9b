-- The position is the beginning, and the shard has no owner. So the next relay that acquires the shard reads the
-- position from the table. Relays are notified, so that they look for shards at once.
WITH rewound AS (
    UPDATE relay_cursor SET snapshot = '3:3:', upper = NULL, after_id = 0, owner = NULL, lease_until = NULL
)
SELECT count(*), pg_notify(:channel, '') FROM outbox
