SELECT pg_notify(:channel, :shards)
