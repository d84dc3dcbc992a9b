-- One event of a consumer that has no batches: what probes/effects.py does for each, a transaction for each.
\set thing random(0, 4999)
SELECT uuidv7() AS id, uuidv7() AS answer \gset
BEGIN;
INSERT INTO inbox (consumer_group, source, event_id) VALUES ('effects', '/bench', :id::uuid) ON CONFLICT DO NOTHING;
INSERT INTO effects (thing, number) VALUES ('thing-' || :thing::text, 1) ON CONFLICT (thing) DO UPDATE SET number = excluded.number;
INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, data) VALUES (1, :answer::uuid, 'bench.answers', 'thing-' || :thing::text, 'bench.thing-answered.v1', now(), 'thing-' || :thing::text, :id::uuid, :data::text);
COMMIT;
