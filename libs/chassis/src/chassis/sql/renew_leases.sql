-- $1 this relay, $2 seconds a lease lasts (0: it ends), $3 how many shards there are, $4 how far it is in its own.
-- One statement, so that two relays that renew at once cannot take the same shard: the row locks decide, and the
-- UPDATE looks at each row again. A relay keeps at most its fair share: all shards through the living members.
-- A snapshot from the future means that the tables were restored into a younger cluster: send everything again.
WITH me AS (
    INSERT INTO relay_member VALUES ($1, now() + make_interval(secs => $2))
    ON CONFLICT (owner) DO UPDATE SET seen_until = excluded.seen_until
), members AS (
    SELECT count(*) FILTER (WHERE owner <> $1) + 1 AS n FROM relay_member WHERE seen_until > now()
), candidates AS (
    SELECT shard, row_number() OVER (ORDER BY (owner IS NOT DISTINCT FROM $1) DESC, shard) AS place
    FROM relay_cursor
    WHERE owner = $1 OR owner IS NULL OR lease_until < now()
), reached AS (
    SELECT * FROM jsonb_to_recordset($4) AS r(shard smallint, snapshot pg_snapshot, upper pg_snapshot, after_id bigint)
), locked AS (
    SELECT c.shard, candidates.place <= ceil($3 / members.n::numeric) AS keep,
           pg_snapshot_xmax(c.snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS from_the_future,
           coalesce(r.snapshot, c.snapshot) AS snapshot,
           CASE WHEN r.shard IS NULL THEN c.upper ELSE r.upper END AS upper,
           coalesce(r.after_id, c.after_id) AS after_id
    FROM relay_cursor c JOIN candidates USING (shard) CROSS JOIN members
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
    RETURNING c.shard, c.snapshot::text, c.upper::text, c.after_id, c.owner
)
SELECT shard, snapshot, upper, after_id FROM changed WHERE owner = $1
