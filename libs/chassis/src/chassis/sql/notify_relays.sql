SELECT pg_notify(channel, '') FROM unnest(CAST(:channels AS text[])) AS channel
