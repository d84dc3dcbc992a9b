-- $1 this relay, $2 seconds a lease lasts (0: it gives up all), $3 the shards whose keys its process consumes, $4 how far
-- it is in its own, $5 the channel on which relays are told.
-- One statement, so that two relays that renew at once cannot take the same shard: the row locks decide, and the
-- UPDATE looks at each row again. A shard goes to a living relay whose process consumes its keys, if there are several to
-- the one that has it; of the others a relay keeps at most its fair share. What is given up is told, so that it is taken
-- at once.
-- A snapshot from the future means that the tables were restored into a younger cluster: send everything again.
WITH me AS (
    INSERT INTO relay_member VALUES ($1, now() + make_interval(secs => $2), $3)
    ON CONFLICT (owner) DO UPDATE SET seen_until = excluded.seen_until, consumed = excluded.consumed
), members AS (
    SELECT owner, consumed FROM relay_member WHERE owner <> $1 AND seen_until > now()
    UNION ALL
    SELECT $1, $3::smallint[] WHERE $2 > 0
), shards AS (
    SELECT shard, owner, lease_until, (
        SELECT m.owner FROM members m WHERE c.shard = ANY(m.consumed)
        ORDER BY m.owner IS DISTINCT FROM c.owner, m.owner LIMIT 1
    ) AS consumer
    FROM relay_cursor c
), fair AS (
    SELECT ceil((SELECT count(*) FROM shards WHERE consumer IS NULL) / (SELECT count(*) FROM members)::numeric) AS share
    WHERE $2 > 0
), candidates AS (
    SELECT shard, consumer, row_number() OVER (
        PARTITION BY consumer IS NULL ORDER BY (owner IS NOT DISTINCT FROM $1) DESC, shard
    ) AS place
    FROM shards
    WHERE owner = $1 OR owner IS NULL OR lease_until < now()
), reached AS (
    SELECT * FROM jsonb_to_recordset($4) AS r(shard smallint, snapshot pg_snapshot, upper pg_snapshot, after_id bigint)
), locked AS (
    SELECT c.shard,
           coalesce(candidates.consumer = $1, candidates.place <= (SELECT share FROM fair), false) AS keep,
           pg_snapshot_xmax(c.snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS from_the_future,
           coalesce(r.snapshot, c.snapshot) AS snapshot,
           CASE WHEN r.shard IS NULL THEN c.upper ELSE r.upper END AS upper,
           coalesce(r.after_id, c.after_id) AS after_id
    FROM relay_cursor c JOIN candidates USING (shard)
    LEFT JOIN reached r ON r.shard = c.shard AND c.owner = $1
    ORDER BY c.shard
    FOR UPDATE OF c SKIP LOCKED
), changed AS (
    UPDATE relay_cursor c
    SET owner = CASE WHEN keep THEN $1 END,
        lease_until = CASE WHEN keep THEN now() + make_interval(secs => $2) END,
        snapshot = CASE WHEN from_the_future THEN '3:3:' ELSE locked.snapshot END,
        upper = CASE WHEN from_the_future THEN NULL ELSE locked.upper END,
        after_id = locked.after_id
    FROM locked
    WHERE c.shard = locked.shard AND (c.owner IS NULL OR c.owner = $1 OR c.lease_until < now())
      AND (keep OR c.owner = $1)
    RETURNING c.shard, c.snapshot::text, c.upper::text, c.after_id, c.owner,
              CASE WHEN c.owner IS NULL THEN pg_notify($5, '') END
)
SELECT shard, snapshot, upper, after_id FROM changed WHERE owner = $1
