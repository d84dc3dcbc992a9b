-- $1 this relay, $2 seconds that its leases last from now.
UPDATE relay_cursor SET lease_until = now() + make_interval(secs => $2) WHERE owner = $1 RETURNING shard
