-- Groups without an open letter are included, so that the metrics go down to 0.
SELECT consumer_group,
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE state IN ('HELD', 'WAITING', 'PARKED'))), 0)::float8,
       count(*) FILTER (WHERE state = 'HELD'), count(*) FILTER (WHERE state = 'WAITING'),
       count(*) FILTER (WHERE state = 'PARKED')
FROM dead_letters
GROUP BY consumer_group
