INSERT INTO inbox (consumer_group, source, event_id) VALUES (:group, :source, :id)
ON CONFLICT DO NOTHING
RETURNING event_id
