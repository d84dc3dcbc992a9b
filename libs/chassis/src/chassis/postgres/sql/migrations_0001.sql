-- The chassis' own tables, as of its first release. A semicolon at the end of a line ends a statement.
-- Sending does not change a row of the outbox. xid is the writer's transaction: the relay sends the rows whose xid is not
-- visible in its snapshot.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    shard smallint NOT NULL,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    type text NOT NULL,
    time timestamptz NOT NULL,
    correlation_id text NOT NULL,
    causation_id uuid,
    traceparent text,
    data text NOT NULL
);

CREATE INDEX outbox_unseen ON outbox (shard, xid);

-- snapshot: every row that is visible in it was sent. While a window is sent in pages, upper is the second snapshot of
-- the window, and after_id is the last row of it that was sent.
CREATE TABLE relay_cursor (
    shard smallint PRIMARY KEY,
    snapshot pg_snapshot NOT NULL,
    upper pg_snapshot,
    after_id bigint NOT NULL DEFAULT 0,
    owner uuid,
    lease_until timestamptz
) WITH (fillfactor = 10);

INSERT INTO relay_cursor (shard, snapshot) SELECT s, '3:3:' FROM generate_series(0, 7) AS s;

CREATE TABLE relay_member (owner uuid PRIMARY KEY, seen_until timestamptz NOT NULL);

CREATE TABLE inbox (
    consumer_group text NOT NULL,
    source text NOT NULL,
    event_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, source, event_id)
);

CREATE INDEX inbox_age ON inbox USING brin (received_at);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_group text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    key text NOT NULL,
    event_id uuid,
    source text,
    type text,
    headers jsonb NOT NULL,
    value bytea,
    state text NOT NULL CHECK (state IN ('HELD', 'WAITING', 'PARKED', 'REDRIVEN', 'DISCARDED')),
    reason text NOT NULL,
    error text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    fingerprint text NOT NULL,
    UNIQUE (consumer_group, topic, partition, "offset", fingerprint)
);

CREATE INDEX dead_letters_open ON dead_letters (topic, key) WHERE state IN ('HELD', 'WAITING');

CREATE TABLE idempotency_keys (
    key text PRIMARY KEY,
    request_hash bytea NOT NULL,
    status int,
    body jsonb,
    headers jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idempotency_keys_age ON idempotency_keys USING brin (created_at)
