-- Keys are in the order in which their locks are acquired. An id that is too large for a bigint finds no row.
SELECT topic, key, count(*) FILTER (WHERE state IN ('HELD', 'WAITING', 'PARKED')) AS open
FROM dead_letters
WHERE (CAST(:id AS numeric) IS NULL OR id = :id) AND (CAST(:topic AS text) IS NULL OR topic = :topic)
  AND (CAST(:key AS text) IS NULL OR key = :key)
GROUP BY topic, key
ORDER BY topic, key
