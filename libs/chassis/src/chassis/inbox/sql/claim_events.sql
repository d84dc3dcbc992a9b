-- Inserts a batch into the inbox. Returns the events that are new, and those that must wait for a dead letter.
-- ORDER BY in the INSERT: two replicas that have the same events lock them in the same order.
WITH batch AS (
    SELECT b.*, EXISTS (
        SELECT FROM dead_letters d
        WHERE d.topic = b.topic AND d.key = b.key AND d.state IN ('HELD', 'WAITING')
          AND d.consumer_group = :group
    ) AS held
    FROM unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS text[]))
        AS b(source, id, topic, key)
), fresh AS (
    INSERT INTO inbox (consumer_group, source, event_id)
    SELECT :group, source, id FROM batch WHERE NOT held ORDER BY source, id
    ON CONFLICT DO NOTHING
    RETURNING source, event_id
)
SELECT source, event_id, false FROM fresh
UNION ALL
SELECT source, id, true FROM batch
WHERE held AND NOT EXISTS (
    SELECT FROM inbox i WHERE i.consumer_group = :group AND i.source = batch.source AND i.event_id = batch.id)
