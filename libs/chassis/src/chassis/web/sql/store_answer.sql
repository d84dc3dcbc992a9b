UPDATE idempotency_keys
SET status = :status, body = CAST(:body AS jsonb), headers = CAST(:headers AS jsonb)
WHERE key = :key
