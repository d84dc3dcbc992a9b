"""Which errors say that a dependency is away, and which say that the input or the code is wrong."""

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError

DATABASE = "database"
KAFKA = "kafka"
UNKNOWN = "unknown"


class Unavailable(Exception):
    """A dependency (database, broker, another company's service) is away. Wait and try again.

    `dependency` names it, for the log and for clients.
    """

    dependency = UNKNOWN


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached, does not answer in time, or has no connection free."""

    dependency = DATABASE


class DatabaseSilent(DatabaseUnavailable, TimeoutError):
    """PostgreSQL did not answer a statement in time. Its effect is not known."""


class KafkaUnavailable(Unavailable):
    """Kafka cannot be reached or does not answer in time."""

    dependency = KAFKA


UNAVAILABLE_ERRORS: tuple[type[Exception], ...] = (
    Unavailable,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    KafkaConnectionError,
)

LOST_RACE = "40"
RETRYABLE_SQLSTATES = ("08", "25006", "25P03", "40", "53", "57014", "57P", "58")
"""First characters of the SQLSTATEs that ask for another try.

08 connection, 25006 the server is a standby, 25P03 a transaction was idle for too long, 40 serialization or deadlock,
53 disk, memory or connections are used up, 57014 the statement's deadline passed, 57P shutdown, 58 input or output.
"""


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that a dependency is away, or that PostgreSQL asks for another try.

    All other errors are the fault of the input or of the code.
    """
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(RETRYABLE_SQLSTATES)
    if isinstance(error, KafkaError):
        return bool(error.retriable)
    # asyncpg raises an InterfaceError that is a ValueError when a value does not fit its parameter.
    return isinstance(error, UNAVAILABLE_ERRORS) and not isinstance(error, ValueError)


def dependency_of(error: BaseException) -> str:
    """The dependency that is away: `database`, `kafka`, a service's own. `unknown` also for a lost race of two
    transactions, for which no dependency is to blame.
    """
    if isinstance(error, Unavailable):
        return error.dependency
    if isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(LOST_RACE):
        return UNKNOWN
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return DATABASE
    if isinstance(error, KafkaError):
        return KAFKA
    return UNKNOWN
