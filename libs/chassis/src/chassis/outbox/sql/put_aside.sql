-- $1 this relay. Rows of a shard that it has lost are left out: the other relay sends them. FOR SHARE: no other relay
-- acquires the shard before this is committed.
INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)
SELECT r.id, r.shard, r.topic, r.key, r.state, r.error
FROM unnest($2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS r(id, shard, topic, key, state, error)
WHERE r.shard IN (SELECT c.shard FROM relay_cursor c WHERE c.owner = $1 FOR SHARE)
ON CONFLICT (id) DO NOTHING
