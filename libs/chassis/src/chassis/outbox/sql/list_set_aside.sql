-- Without the data: it may be confidential.
SELECT s.id, o.event_id, s.topic, s.key, o.type, s.state, s.error, o.time AS published_at, s.created_at, s.ended_at
FROM outbox_set_aside s LEFT JOIN outbox o USING (id)
WHERE :state = 'all' OR s.state = :state OR (:state = 'open' AND s.state <> 'GIVEN_UP')
ORDER BY s.id LIMIT :limit
