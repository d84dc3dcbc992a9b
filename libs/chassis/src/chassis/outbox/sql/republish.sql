-- The position is the beginning, and the shard has no owner. So the next relay that acquires the shard reads the
-- position from the table. Relays are notified, so that they look for shards at once.
-- A row that was given up gets transaction 1, which is before every position. So no relay reads it again.
WITH given_up AS (
    UPDATE outbox o SET xid = '1' FROM outbox_set_aside s WHERE s.id = o.id AND s.state = 'GIVEN_UP'
), rewound AS (
    UPDATE relay_cursor SET snapshot = '3:3:', upper = NULL, after_id = 0, owner = NULL, lease_until = NULL
)
SELECT count(*), pg_notify(:channel, '') FROM outbox o
WHERE NOT EXISTS (SELECT FROM outbox_set_aside s WHERE s.id = o.id AND s.state = 'GIVEN_UP')
