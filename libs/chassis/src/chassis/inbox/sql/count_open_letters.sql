-- Groups without an open letter are included, so that the metric goes down to 0.
SELECT consumer_group, count(*) FILTER (WHERE state IN ('HELD', 'WAITING', 'PARKED'))
FROM dead_letters
GROUP BY consumer_group
