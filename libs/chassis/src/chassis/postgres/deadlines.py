"""How long PostgreSQL may take. Each wait ends, also when the server is silent (docs/decisions/0024)."""

CONNECT_SECONDS = 3.0
"""How long a new connection, or a free one of the pool, is waited for."""
STATEMENT_SECONDS = 30.0
"""How long a statement may take, unless a caller says otherwise."""
IDLE_TRANSACTION_SECONDS = 30.0
"""How long the server leaves a transaction open in which nothing happens: it holds locks."""
ANSWER_LATE_SECONDS = 1.0
"""So much later than the server, the client gives a statement up. A server that is alive ends it itself."""
BUSY_SECONDS = 10.0
"""A pool whose connections are all in use is busy for this long after its last movement, and then it is stuck."""
CLOSE_SECONDS = 1.0
"""How long the polite end of a connection may take."""

KEEPALIVES = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}
"""The server notices a client that is gone, and ends what it was doing for it."""


def server_deadlines(statement_seconds: float) -> dict[str, str]:
    """Settings of a session: the server ends statements and idle transactions."""
    return KEEPALIVES | {
        "statement_timeout": f"{int(1_000 * statement_seconds)}ms",
        "idle_in_transaction_session_timeout": f"{int(1_000 * IDLE_TRANSACTION_SECONDS)}ms",
    }


def client_deadline(statement_seconds: float) -> float:
    """Seconds after which the client gives up a statement that the server should have ended."""
    return statement_seconds + ANSWER_LATE_SECONDS
