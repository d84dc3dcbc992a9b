UPDATE outbox_set_aside SET state = 'REFUSED', error = $2 WHERE id = $1 AND state = 'DELAYED'
