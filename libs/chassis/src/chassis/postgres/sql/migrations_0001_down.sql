DROP TABLE outbox, relay_cursor, relay_member, inbox, dead_letters, idempotency_keys
