"""Messages that were sent, from the events of notifications, so that no customer gets one twice.

The event does not tell the customer and the amount: `more` has the data of the event that caused the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SENT = """
    INSERT INTO notifications AS n (id, order_id, kind, customer_id, amount_minor, currency, reason, sold_out,
                                    message_id, state, channel, attempts, created_at, sent_at, cause_event_id,
                                    correlation_id, traceparent)
    SELECT (d ->> 'notification_id')::uuid, (d ->> 'order_id')::uuid, d ->> 'kind', more ->> 'customer_id',
           (amount ->> 'amount_minor')::bigint, amount ->> 'currency', more ->> 'reason',
           nullif(more -> 'sold_out', '[]'), '<' || (d ->> 'notification_id') || '@shopfloor.example>',
           'SENT', d ->> 'channel', 1, at, at, (cause ->> 'event_id')::uuid, cause ->> 'correlation_id', traceparent
    FROM e, LATERAL (SELECT coalesce(more -> 'total', more -> 'refunded', more -> 'amount') AS amount,
                            (d ->> 'sent_at')::timestamptz AS at) AS told
    ON CONFLICT (order_id, kind) DO UPDATE
    SET state = 'SENT', channel = excluded.channel, sent_at = excluded.sent_at, last_error = NULL
    WHERE n.state <> 'SENT'
"""

STATEMENTS: Mapping[str, Sequence[str]] = {"notifications.notification-sent.v1": (_SENT,)}
