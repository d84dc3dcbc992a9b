-- $1 shards, $2 topic, $3 the maximum number of rows. A row that waits for a REFUSED one of its key is left out.
SELECT s.id, o.shard, o.event_id, o.topic, o.key, o.type, o.time, o.correlation_id, o.causation_id, o.traceparent, o.data
FROM outbox_set_aside s JOIN outbox o USING (id)
WHERE s.state = 'DELAYED' AND s.topic = $2 AND s.shard = ANY($1::smallint[]) AND NOT EXISTS (
    SELECT FROM outbox_set_aside r WHERE r.state = 'REFUSED' AND r.topic = s.topic AND r.key = s.key)
ORDER BY s.id
LIMIT $3
