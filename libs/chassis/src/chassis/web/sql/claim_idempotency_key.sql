-- DO UPDATE, although nothing changes: so it waits for a request that holds the key, and answers with the row in any
-- case. Without a status the key is ours: nobody has committed an answer to it.
INSERT INTO idempotency_keys (key, request_hash) VALUES (:key, :hash)
ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING request_hash, status, body, headers
