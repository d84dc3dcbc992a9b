-- Relays are notified, so that they look at once.
UPDATE outbox_set_aside SET state = 'GIVEN_UP', ended_at = now()
WHERE state = 'REFUSED' AND (CAST(:id AS numeric) IS NULL OR id = :id)
  AND (CAST(:topic AS text) IS NULL OR topic = :topic) AND (CAST(:key AS text) IS NULL OR key = :key)
RETURNING id, pg_notify(:channel, '')
