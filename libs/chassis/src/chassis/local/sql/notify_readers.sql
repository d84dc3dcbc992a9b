SELECT pg_notify(:channel, :topics)
