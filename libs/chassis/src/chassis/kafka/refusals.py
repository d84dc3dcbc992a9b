"""Refusals of the broker: it does not accept the login, or the user lacks a right.

The message here names the user, and the missing right if one is missing. The client library's error has no user's
name. For a wrong password the library says only that it cannot connect. A refusal is a fault of the system. The task
waits, and continues when the right is given.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)

from chassis.errors import KafkaRefused, KafkaUnavailable

LOGIN_SECONDS = 3.0
"""Time limit of a login, which is made to learn whether the broker accepts it, refuses it or is unavailable."""

RIGHTS = "Users and rights follow from contracts/topics.yaml."
BAD_LOGIN = (AuthenticationFailedError, SaslAuthenticationFailed)


@asynccontextmanager
async def raising_refused(kafka: Mapping[str, Any], right: str) -> AsyncIterator[None]:
    """Raise KafkaRefused instead of an error that is a refusal. `right` is the right that the block needs on a topic.

    `kafka` is `ServiceSettings.kafka`. All other errors pass unchanged.
    """
    try:
        yield
    except KafkaError as error:
        if text := await _refusal(error, kafka, right):
            raise KafkaRefused(text) from error
        raise


async def unavailable_error(error: Exception, kafka: Mapping[str, Any], right: str) -> KafkaUnavailable:
    """The error to raise when Kafka takes no record: KafkaRefused if it refuses the user, or KafkaUnavailable."""
    if text := await _refusal(error, kafka, right):
        return KafkaRefused(text)
    return KafkaUnavailable(f"Kafka takes no records: {error!r}")


class Login(StrEnum):
    """The answer to a new connection."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NO_ANSWER = "no-answer"


async def new_login(kafka: Mapping[str, Any]) -> Login:
    """Connect once more, and log in if the broker wants it. Ends after LOGIN_SECONDS for each broker."""
    login = {name: value for name, value in kafka.items() if name != "bootstrap_servers"}
    for host, port, _ in collect_hosts(kafka["bootstrap_servers"]):
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                (await create_conn(host, port, **login)).close()
        except BAD_LOGIN:
            return Login.REFUSED
        except (KafkaError, OSError, TimeoutError):
            continue
        return Login.ACCEPTED
    return Login.NO_ANSWER


def login_refusal(kafka: Mapping[str, Any]) -> KafkaRefused:
    """The error of a login that a broker refuses."""
    return KafkaRefused(_refused_login(kafka))


def text_of(error: Exception, kafka: Mapping[str, Any], right: str) -> str:
    """The text of an error that concerns one topic. A missing right is named, with the user."""
    if isinstance(error, TopicAuthorizationFailedError):
        return f"{type(error).__name__}: {_missing(error, kafka, right)}"
    return repr(error)


async def _refusal(error: Exception, kafka: Mapping[str, Any], right: str) -> str:
    """The sentence about a refusal; empty if the error is none."""
    if isinstance(error, KafkaConnectionError) and await new_login(kafka) is Login.REFUSED:
        error = SaslAuthenticationFailed()
    if isinstance(error, BAD_LOGIN):
        return _refused_login(kafka)
    return _missing(error, kafka, right)


def _refused_login(kafka: Mapping[str, Any]) -> str:
    return (
        f"Kafka refuses the login of {_user(kafka)}: KAFKA_SASL_PASSWORD is wrong, or there is no such user. "
        f"{RIGHTS}"
    )


def _missing(error: Exception, kafka: Mapping[str, Any], right: str) -> str:
    """The right that is missing, in one sentence; empty if the error is about something else."""
    match error:
        case TopicAuthorizationFailedError():
            lacking = f"the right {right} on the topic {_names(error)}"
        case GroupAuthorizationFailedError():
            lacking = f"the right Read on the group {_names(error)}"
        case ClusterAuthorizationFailedError():
            lacking = "the right Write on every topic"  # the broker gives such a user no producer id
        case _:
            return ""
    return f"{_user(kafka)} lacks {lacking}. {RIGHTS}"


def _user(kafka: Mapping[str, Any]) -> str:
    return f"the Kafka user {kafka.get('sasl_plain_username', 'ANONYMOUS')}"


def _names(error: Exception) -> str:
    """The topics or the group in an error of aiokafka, which is a name or a set of names."""
    (subject,) = error.args or ("(not named)",)
    return subject if isinstance(subject, str) else ", ".join(sorted(map(str, subject)))
