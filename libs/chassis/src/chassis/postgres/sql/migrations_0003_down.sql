DROP TABLE outbox_set_aside
