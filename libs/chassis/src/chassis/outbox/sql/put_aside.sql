-- $1 this relay. A row of a shard that it has lost is the other relay's business. FOR SHARE: the shard is not taken over
-- before this is committed.
INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)
SELECT r.id, r.shard, r.topic, r.key, r.state, r.error
FROM unnest($2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS r(id, shard, topic, key, state, error)
WHERE r.shard IN (SELECT c.shard FROM relay_cursor c WHERE c.owner = $1 FOR SHARE)
ON CONFLICT (id) DO NOTHING
