DELETE FROM inbox WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM inbox WHERE received_at < now() - CAST(:inbox AS interval)
    LIMIT :batch FOR UPDATE SKIP LOCKED))
RETURNING event_id
