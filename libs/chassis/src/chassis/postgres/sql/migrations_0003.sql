-- Rows of the outbox that a relay could not send, so that the rows behind them go on (docs/decisions/0021).
CREATE TABLE outbox_set_aside (
    id bigint PRIMARY KEY,
    shard smallint NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    state text NOT NULL CHECK (state IN ('DELAYED', 'REFUSED', 'GIVEN_UP')),
    error text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CHECK ((state = 'GIVEN_UP') = (ended_at IS NOT NULL))
);

CREATE INDEX outbox_set_aside_delayed ON outbox_set_aside (topic, id) WHERE state = 'DELAYED';

CREATE INDEX outbox_set_aside_refused ON outbox_set_aside (topic, key) WHERE state = 'REFUSED'
