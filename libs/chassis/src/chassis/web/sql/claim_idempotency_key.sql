-- DO UPDATE changes nothing, but it makes the statement wait for another transaction that has the key, and return the
-- row in every case. If the status is NULL, no answer is stored, and this transaction has the key.
INSERT INTO idempotency_keys (key, request_hash) VALUES (:key, :hash)
ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING request_hash, status, body, headers
