-- $1 shards. A result (topic, key): the rows of this key wait. A result (topic, NULL): all rows of the topic wait.
SELECT DISTINCT s.topic, CASE WHEN EXISTS (
    SELECT FROM outbox_set_aside r WHERE r.state = 'REFUSED' AND r.topic = s.topic AND r.key = s.key
) THEN s.key END AS key
FROM outbox_set_aside s
WHERE s.state IN ('DELAYED', 'REFUSED') AND s.shard = ANY($1::smallint[])
