"""Which errors say that a dependency is away, and which say that the input or the code is wrong."""

import asyncpg
from aiokafka.errors import KafkaConnectionError


class Unavailable(Exception):
    """A dependency (database, broker, another company's service) is away. Wait and try again."""


UNAVAILABLE_ERRORS: tuple[type[Exception], ...] = (
    Unavailable,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    KafkaConnectionError,
)

RETRYABLE_SQLSTATES = ("08", "25006", "40", "53", "57P", "58")
"""First characters of the SQLSTATEs that ask for another try.

08 connection, 25006 the server is a standby, 40 serialization or deadlock, 53 disk, memory or connections are used up,
57P shutdown, 58 input or output.
"""


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that a dependency is away, or that PostgreSQL asks for another try.

    All other errors are the fault of the input or of the code.
    """
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(RETRYABLE_SQLSTATES)
    # asyncpg raises an InterfaceError that is a ValueError when a value does not fit its parameter.
    return isinstance(error, UNAVAILABLE_ERRORS) and not isinstance(error, ValueError)
