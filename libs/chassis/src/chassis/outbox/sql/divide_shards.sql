-- $1 this relay, $2 seconds that its leases last from now, $3 the channel on which relays are notified.
-- A shard goes to a living relay whose process consumes its keys; if there are several, to the one that has it. Of the
-- other shards a relay keeps at most its fair share. Relays are notified of a released shard, so that one of them
-- acquires it at once.
-- Two relays that divide at once cannot acquire the same shard: the row locks decide, and the UPDATE checks each row
-- again.
-- If the saved snapshot is higher than this server's next transaction id, the tables were restored into a server that
-- has counted fewer transactions. Then all rows are sent again, from the lowest snapshot.
WITH members AS (
    SELECT owner, consumed FROM relay_member WHERE seen_until > now()
), shards AS (
    SELECT shard, coalesce(owner = $1, false) AS is_mine, (
        SELECT m.owner FROM members m WHERE c.shard = ANY(m.consumed)
        ORDER BY m.owner IS DISTINCT FROM c.owner, m.owner LIMIT 1
    ) AS consumer
    FROM relay_cursor c
    WHERE owner = $1 OR owner IS NULL OR lease_until < now()
), unconsumed AS (
    SELECT shard, row_number() OVER (ORDER BY is_mine DESC, shard) AS place FROM shards WHERE consumer IS NULL
), fair AS (
    SELECT ceil(count(*) / (SELECT nullif(count(*), 0) FROM members)::numeric) AS share
    FROM relay_cursor c
    WHERE NOT EXISTS (SELECT FROM members m WHERE c.shard = ANY(m.consumed))
      AND EXISTS (SELECT FROM members m WHERE m.owner = $1)
), wanted AS (
    SELECT shard FROM shards WHERE consumer = $1
    UNION ALL
    SELECT shard FROM unconsumed, fair WHERE place <= share
), locked AS (
    SELECT c.shard, c.shard IN (SELECT shard FROM wanted) AS keep,
           pg_snapshot_xmax(c.snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS is_from_the_future
    FROM relay_cursor c JOIN shards USING (shard)
    WHERE shards.is_mine OR c.shard IN (SELECT shard FROM wanted)
    ORDER BY c.shard
    FOR UPDATE OF c SKIP LOCKED
), changed AS (
    UPDATE relay_cursor c
    SET owner = CASE WHEN keep THEN $1 END,
        lease_until = CASE WHEN keep THEN now() + make_interval(secs => $2) END,
        snapshot = CASE WHEN is_from_the_future THEN '3:3:' ELSE c.snapshot END,
        upper = CASE WHEN NOT is_from_the_future THEN c.upper END
    FROM locked
    WHERE c.shard = locked.shard AND (c.owner IS NULL OR c.owner = $1 OR c.lease_until < now())
    RETURNING c.shard, c.snapshot::text, c.upper::text, c.after_id, c.owner,
              CASE WHEN c.owner IS NULL THEN pg_notify($3, '') END
)
SELECT shard, snapshot, upper, after_id FROM changed WHERE owner = $1
