-- A discarded event is inserted into the inbox, so that it is a duplicate when it is delivered again.
WITH ended AS (
    UPDATE dead_letters SET state = 'DISCARDED', ended_at = now()
    WHERE (CAST(:id AS bigint) IS NULL OR id = :id) AND (CAST(:topic AS text) IS NULL OR topic = :topic)
      AND (CAST(:key AS text) IS NULL OR key = :key) AND state IN ('HELD', 'WAITING', 'PARKED')
    RETURNING consumer_group, source, event_id
), known AS (
    INSERT INTO inbox (consumer_group, source, event_id)
    SELECT DISTINCT consumer_group, source, event_id FROM ended
    WHERE length(source) <= 500 AND event_id IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM ended
