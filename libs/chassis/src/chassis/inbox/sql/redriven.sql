UPDATE dead_letters SET state = 'REDRIVEN', ended_at = now()
WHERE id = :id AND state IN ('HELD', 'WAITING', 'PARKED')
RETURNING id
