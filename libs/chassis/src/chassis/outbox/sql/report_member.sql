-- $1 this relay, $2 seconds until it counts as dead, $3 the shards whose keys its process consumes.
INSERT INTO relay_member (owner, seen_until, consumed) VALUES ($1, now() + make_interval(secs => $2), $3)
ON CONFLICT (owner) DO UPDATE SET seen_until = excluded.seen_until, consumed = excluded.consumed
