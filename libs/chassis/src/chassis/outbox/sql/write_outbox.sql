-- ORDER BY position: ids are assigned in the order in which the handler published, which is a key's order on the topic.
INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data)
SELECT shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data
FROM unnest(
    CAST(:shard AS smallint[]), CAST(:event_id AS uuid[]), CAST(:topic AS text[]), CAST(:key AS text[]),
    CAST(:type AS text[]), CAST(:time AS timestamptz[]), CAST(:correlation_id AS text[]),
    CAST(:causation_id AS uuid[]), CAST(:traceparent AS text[]), CAST(:data AS text[])
) WITH ORDINALITY AS
    r(shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data, position)
ORDER BY position
