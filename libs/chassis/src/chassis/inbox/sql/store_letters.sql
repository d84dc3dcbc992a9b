-- The fingerprint identifies the message by its content. Offsets start again when a topic is created again.
-- ORDER BY number: ids are in the order of the messages, which is the order in which a key is redriven.
INSERT INTO dead_letters
    (consumer_group, topic, partition, "offset", key, event_id, source, type, headers, value, state, reason, error,
     fingerprint)
SELECT :group, topic, partition, "offset", key, event_id, headers ->> 'ce_source', headers ->> 'ce_type', headers,
    value, state, reason, error,
    encode(sha256(coalesce(value, '') || convert_to(headers_text, 'UTF8')), 'hex')
FROM unnest(
    CAST(:topic AS text[]), CAST(:partition AS int[]), CAST(:offset AS bigint[]), CAST(:key AS text[]),
    CAST(:event_id AS uuid[]), CAST(:headers AS text[]), CAST(:value AS bytea[]), CAST(:state AS text[]),
    CAST(:reason AS text[]), CAST(:error AS text[])
) WITH ORDINALITY AS
    l(topic, partition, "offset", key, event_id, headers_text, value, state, reason, error, number)
CROSS JOIN LATERAL CAST(headers_text AS jsonb) AS headers
ORDER BY number
ON CONFLICT DO NOTHING
RETURNING topic, partition, "offset"
