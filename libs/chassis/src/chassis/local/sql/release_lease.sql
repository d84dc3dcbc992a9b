-- $1 this reader, $2 the channel on which readers are notified.
UPDATE reader_lease SET owner = NULL, lease_until = NULL WHERE owner = $1 RETURNING pg_notify($2, '')
