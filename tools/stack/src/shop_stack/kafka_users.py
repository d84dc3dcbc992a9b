"""Makes the users of a broker and their rights what they should be (docs/decisions/0031).

aiokafka can neither create rights nor users, so this module uses the admin client of confluent-kafka, in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.rights import Operation, Pattern, Resource, Right

ITERATIONS = 4096
"""Kafka's minimum. More iterations protect guessable passwords; ours are random and have 192 bits."""
REQUEST_SECONDS = 10.0
LOOK_SECONDS = 0.05
"""Pause between two looks at a change that has not reached the broker yet."""

OPERATIONS: Mapping[Operation, AclOperation] = {
    Operation.READ: AclOperation.READ,
    Operation.WRITE: AclOperation.WRITE,
    Operation.CREATE: AclOperation.CREATE,
    Operation.DELETE: AclOperation.DELETE,
    Operation.ALTER: AclOperation.ALTER,
    Operation.DESCRIBE: AclOperation.DESCRIBE,
    Operation.DESCRIBE_CONFIGS: AclOperation.DESCRIBE_CONFIGS,
    Operation.ALTER_CONFIGS: AclOperation.ALTER_CONFIGS,
}
RESOURCES: Mapping[Resource, ResourceType] = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
}
PATTERNS: Mapping[Pattern, ResourcePatternType] = {Pattern.LITERAL: ResourcePatternType.LITERAL}
Acl: TypeAlias = tuple[object, ...]
"""What distinguishes two ACLs: principal, resource's type, name, pattern, host, operation, permission."""


async def ensure(
    admin: KafkaAccess, users: Sequence[KafkaAccess], rights: Sequence[Right], patience: float = 30.0
) -> None:
    """Let each of `users` log in with its password, with exactly its part of `rights`. Idempotent.

    `admin` is the login of a super user. The function returns when the broker itself shows the result, because a change
    reaches it a little after the answer. Users and rights of other principals are left as they are.

    Raises UserError if the broker refuses, or if it takes more than `patience` seconds.
    """
    try:
        async with asyncio.timeout(patience):
            with _client(admin) as client:
                await _set_rights(client, {user.username for user in users}, rights)
                await _set_passwords(client, users)
    except (KafkaException, KafkaError, TimeoutError) as error:
        raise UserError(
            f"The users and rights could not be created on {admin.bootstrap} ({error!r}): see `shop logs kafka`."
        ) from error


async def set_passwords(admin: KafkaAccess, users: Sequence[KafkaAccess], patience: float = 30.0) -> None:
    """Let each of `users` log in with its password, and change no right. It returns when the broker accepts them.

    `admin` is the login of a super user. Connections that are open stay open. Raises UserError as `ensure` does.
    """
    try:
        async with asyncio.timeout(patience):
            with _client(admin) as client:
                await _set_passwords(client, users)
    except (KafkaException, KafkaError, TimeoutError) as error:
        raise UserError(
            f"The passwords could not be set on {admin.bootstrap} ({error!r}): see `shop logs kafka`."
        ) from error


async def rights_of(admin: KafkaAccess, principal: str) -> list[str]:
    """The rights that a broker has for one principal, in the library's words. Raises KafkaException."""
    with _client(admin) as client:
        found = await _present(client)
    return [str(binding) for binding in found.values() if binding.principal == f"User:{principal}"]


async def can_log_in(user: KafkaAccess) -> bool:
    """Whether the broker accepts the login now. False also if no broker answers."""
    client = AIOKafkaClient(**user.client)
    try:
        await client.bootstrap()
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
    return True


def _client(admin: KafkaAccess) -> AdminClient:
    """An admin client, to be used in a `with`, which closes it in this thread.

    Without that, the garbage collector may close it in a thread of librdkafka, and librdkafka then aborts the process
    (confluent-kafka-python, pull request 2131).
    """
    return AdminClient({**admin.librdkafka, "log_level": 0})


async def _set_rights(client: AdminClient, principals: Collection[str], rights: Sequence[Right]) -> None:
    """Create the rights that are missing, and delete those of the principals that are not among `rights`."""
    wanted = {_identity(binding): binding for binding in map(_binding, rights)}

    async def agrees() -> bool:
        found = await _present(client)
        unwanted = [
            binding
            for identity, binding in found.items()
            if identity not in wanted and binding.principal.removeprefix("User:") in principals
        ]
        missing = [binding for identity, binding in wanted.items() if identity not in found]
        if unwanted:
            await _delete(client, unwanted)
        if missing:
            await _all_done(client.create_acls(missing, request_timeout=REQUEST_SECONDS))
        return not unwanted and not missing

    await _until(agrees)


async def _set_passwords(client: AdminClient, users: Sequence[KafkaAccess]) -> None:
    """Set the passwords of the users that cannot log in. An accepted password is not set again."""

    async def agrees() -> bool:
        accepted = await asyncio.gather(*(can_log_in(user) for user in users))
        refused = [user for user, is_accepted in zip(users, accepted, strict=True) if not is_accepted]
        if refused:
            credentials: list[UserScramCredentialAlteration] = [_credential(user) for user in refused]
            await _all_done(client.alter_user_scram_credentials(credentials, request_timeout=REQUEST_SECONDS))
        return not refused

    await _until(agrees)


async def _present(client: AdminClient) -> dict[Acl, AclBinding]:
    """All rights that the broker shows."""
    any_text: Any = None  # the library declares these three as str, and documents None
    every = AclBindingFilter(
        ResourceType.ANY,
        any_text,
        ResourcePatternType.ANY,
        any_text,
        any_text,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found = await asyncio.wrap_future(client.describe_acls(every, request_timeout=REQUEST_SECONDS))
    return {_identity(binding): binding for binding in found}


async def _delete(client: AdminClient, bindings: Sequence[AclBinding]) -> None:
    filters = [
        AclBindingFilter(
            each.restype,
            each.name,
            each.resource_pattern_type,
            each.principal,
            each.host,
            each.operation,
            each.permission_type,
        )
        for each in bindings
    ]
    await _all_done(client.delete_acls(filters, request_timeout=REQUEST_SECONDS))


async def _all_done(futures: Mapping[Any, Future[Any]]) -> None:
    await asyncio.gather(*map(asyncio.wrap_future, futures.values()))


async def _until(agrees: Callable[[], Awaitable[bool]]) -> None:
    """Return when `agrees` does. The caller limits the time."""
    while not await agrees():  # noqa: ASYNC110 - the broker sends no event when a change has reached it
        await asyncio.sleep(LOOK_SECONDS)


def _binding(right: Right) -> AclBinding:
    return AclBinding(
        RESOURCES[right.resource],
        right.name,
        PATTERNS[right.pattern],
        f"User:{right.principal}",
        "*",
        OPERATIONS[right.operation],
        AclPermissionType.ALLOW,
    )


def _identity(binding: AclBinding) -> Acl:
    return (
        binding.principal,
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _credential(user: KafkaAccess) -> UserScramCredentialUpsertion:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    return UserScramCredentialUpsertion(user.username, info, user.password.encode())
