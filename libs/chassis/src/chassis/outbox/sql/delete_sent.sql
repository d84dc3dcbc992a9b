DELETE FROM outbox_set_aside WHERE id = ANY($1::bigint[])
