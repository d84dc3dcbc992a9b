"""Deadlines of waits for PostgreSQL. Each wait ends, even if the server does not answer (docs/decisions/0024)."""

CONNECT_SECONDS = 3.0
"""Seconds to wait for a new connection, or for a free connection of the pool."""
STATEMENT_SECONDS = 30.0
"""Seconds for a statement, unless a caller sets another number."""
IDLE_TRANSACTION_SECONDS = 30.0
"""Seconds after which the server ends an idle transaction, because it holds locks."""
ANSWER_LATE_SECONDS = 1.0
"""The client stops waiting for a statement this many seconds after the server should have ended it."""
BUSY_SECONDS = 10.0
"""A pool is stuck if all its connections are in use and none was acquired or released for these seconds. Before that it
is busy.
"""
CLOSE_SECONDS = 1.0
"""Seconds for the orderly end of a connection."""

KEEPALIVES = {
    "client_connection_check_interval": "1s",  # while a statement runs, check whether the connection is closed
    "tcp_keepalives_idle": "10",  # seconds without traffic before the first TCP keepalive
    "tcp_keepalives_interval": "5",  # seconds between keepalives that are not answered
    "tcp_keepalives_count": "3",  # keepalives without an answer before the connection is closed
    "tcp_user_timeout": "25s",  # how long sent data may wait for its acknowledgement
}
"""Settings with which the server notices that a client is gone. It then ends the client's statement."""


def server_deadlines(statement_seconds: float) -> dict[str, str]:
    """Settings of a session, with which the server ends long statements and idle transactions."""
    return KEEPALIVES | {
        "statement_timeout": f"{int(1_000 * statement_seconds)}ms",
        "idle_in_transaction_session_timeout": f"{int(1_000 * IDLE_TRANSACTION_SECONDS)}ms",
    }


def client_deadline(statement_seconds: float) -> float:
    """Seconds after which the client stops waiting for a statement that the server should have ended."""
    return statement_seconds + ANSWER_LATE_SECONDS
