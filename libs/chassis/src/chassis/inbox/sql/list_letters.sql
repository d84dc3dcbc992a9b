-- Headers and values are left out: they are large and may be confidential.
SELECT id, topic, partition, "offset", key, event_id, type, state, reason, error, created_at, ended_at
FROM dead_letters
WHERE (CAST(:key AS text) IS NULL OR key = :key)
  AND (:state = 'all' OR state = :state OR (:state = 'open' AND state IN ('HELD', 'WAITING', 'PARKED')))
ORDER BY id LIMIT :limit
