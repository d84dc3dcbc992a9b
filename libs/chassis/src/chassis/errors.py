"""Two classes of errors. `is_unavailable` tells them apart.

- Faults of the system: a dependency does not work now. A task waits and tries again, and a request is answered with
  503. No event becomes a dead letter because of such an error.
- Faults of an event or of the service's code: another try has the same result. An event becomes a dead letter after its
  tries. A request is answered with 500: wrong input of a request was refused before (422).
"""

import asyncpg
from aiokafka.errors import KafkaError

DATABASE = "database"
KAFKA = "kafka"
UNKNOWN = "unknown"


class Unavailable(Exception):
    """A dependency (database, broker, another company's service) is unavailable. Wait and try again.

    `dependency` names it, for the log and for clients.
    """

    dependency = UNKNOWN


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached or does not answer in time, or no connection of the pool is free."""

    dependency = DATABASE


class DatabaseSilent(DatabaseUnavailable, TimeoutError):
    """PostgreSQL did not answer a statement in time. The effect of the statement is not known."""


class KafkaUnavailable(Unavailable):
    """Kafka cannot be reached or does not answer in time."""

    dependency = KAFKA


class KafkaRefused(KafkaUnavailable):
    """Kafka answers, and refuses the login or an operation. The text names the user, and the right that is missing."""


UNAVAILABLE_ERRORS: tuple[type[Exception], ...] = (
    Unavailable,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    KafkaError,
)

LOST_RACE = "40"
"""First characters of the SQLSTATEs of a serialization failure and of a deadlock."""

REFUSING_SQLSTATES = ("28", "42501")
"""First characters of the SQLSTATEs of a refused login and of a missing privilege."""

INPUT_SQLSTATES = ("02", "20", "21", "22", "23", "27", "2F", "38", "39", "44", "54", "P0")
"""First characters of the SQLSTATEs that a statement's values can cause.

22: a value does not fit. 23: a constraint. 54: too large for an index, or too complex. P0: raised by a function. 44: a
view's check. The others are raised by functions and cursors. Every other SQLSTATE is a fault of the system, because the
statements are the same for every event. Examples are a missing table, column, privilege, database or password, a lock
or a time limit, and a plan that is no longer valid.
"""


def is_unavailable(error: BaseException) -> bool:
    """Whether an error is a fault of the system: a dependency is unavailable, lacks a table or a privilege, refuses the
    login, or asks for a retry.

    All other errors are faults of the input or of the service's code.
    """
    if isinstance(error, asyncpg.PostgresError):
        return not (error.sqlstate or "").startswith(INPUT_SQLSTATES)
    # asyncpg raises an InterfaceError that is a ValueError when a value does not fit its parameter.
    is_refused_value = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    if is_refused_value and not isinstance(error, asyncpg.ClientConfigurationError):
        return False
    return isinstance(error, UNAVAILABLE_ERRORS)


def is_refusal(error: BaseException) -> bool:
    """Whether a dependency has answered, and refuses the login or a right. An operator has to repair it."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(REFUSING_SQLSTATES)
    return isinstance(error, KafkaRefused)


def reason_of(error: BaseException) -> str:
    """The reason of a wait, for `/readyz`: a refusal in full, or the class of the error or of its cause."""
    return str(error) if isinstance(error, KafkaRefused) else type(error.__cause__ or error).__name__


def dependency_of(error: BaseException) -> str:
    """The unavailable dependency: `database`, `kafka`, or the name that a service gave to one of its own dependencies.
    `unknown` if the error does not name one, as after a deadlock.
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
