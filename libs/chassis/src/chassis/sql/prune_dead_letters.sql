DELETE FROM dead_letters WHERE id = ANY(ARRAY(
    SELECT id FROM dead_letters WHERE ended_at < now() - CAST(:inbox AS interval)
    LIMIT :batch FOR UPDATE SKIP LOCKED))
RETURNING id
