-- $1 this reader, $2 seconds that its lease lasts from now. Returns a row if it has the lease now.
UPDATE reader_lease SET owner = $1, lease_until = now() + make_interval(secs => $2)
WHERE owner = $1 OR owner IS NULL OR lease_until < now()
RETURNING 1
