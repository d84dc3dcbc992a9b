-- The rows of one topic that are visible in $1: the last id, their number, and how many have an id below $2.
SELECT coalesce(max(id), 0) AS last, count(*) AS total, count(*) FILTER (WHERE id < $2) AS before
FROM {view}
WHERE pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
