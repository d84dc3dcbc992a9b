-- $1 shards. A topic with a key: rows of that key wait for a REFUSED one. A topic without a key: all its rows wait.
SELECT DISTINCT s.topic, CASE WHEN EXISTS (
    SELECT FROM outbox_set_aside r WHERE r.state = 'REFUSED' AND r.topic = s.topic AND r.key = s.key
) THEN s.key END AS key
FROM outbox_set_aside s
WHERE s.state IN ('DELAYED', 'REFUSED') AND s.shard = ANY($1::smallint[])
