-- Without headers and value: they are large, and not for every eye.
SELECT id, topic, partition, "offset", key, event_id, type, state, reason, error, created_at, ended_at
FROM dead_letters
WHERE (CAST(:key AS text) IS NULL OR key = :key)
  AND (:state = 'all' OR state = :state OR (:state = 'open' AND state IN ('HELD', 'WAITING', 'PARKED')))
ORDER BY id LIMIT :limit
