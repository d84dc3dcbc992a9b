DELETE FROM idempotency_keys WHERE key = ANY(ARRAY(
    SELECT key FROM idempotency_keys WHERE created_at < now() - CAST(:inbox AS interval)
    LIMIT :batch FOR UPDATE SKIP LOCKED))
RETURNING key
