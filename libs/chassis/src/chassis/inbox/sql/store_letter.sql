-- The fingerprint identifies the message by its content, because offsets start again when a topic is created again.
INSERT INTO dead_letters
    (consumer_group, topic, partition, "offset", key, event_id, source, type, headers, value, state, reason, error,
     fingerprint)
VALUES
    (:group, :topic, :partition, :offset, :key, :event_id, CAST(:headers AS jsonb) ->> 'ce_source',
     CAST(:headers AS jsonb) ->> 'ce_type', CAST(:headers AS jsonb), :value, :state, :reason, :error,
     encode(sha256(coalesce(CAST(:value AS bytea), '') || convert_to(CAST(:headers AS text), 'UTF8')), 'hex'))
ON CONFLICT DO NOTHING
RETURNING id
