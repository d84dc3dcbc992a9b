-- Also groups of which none is open any more: whoever watches sees the number go down to 0.
SELECT consumer_group, count(*) FILTER (WHERE state IN ('HELD', 'WAITING', 'PARKED'))
FROM dead_letters
GROUP BY consumer_group
