"""Tries on a broker which operations each principal may really do, and compares the answers with the contract.

A trial is a request that a broker authorizes before it looks at the content, with a content that changes nothing: a
batch that is no batch, an offset beyond the end, a change that is only validated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.admin import (
    AlterConfigsRequest,
    CreateAclsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteGroupsRequest,
    DeleteRecordsRequest,
    DescribeAclsRequest,
    DescribeConfigsRequest,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.types import Array, Schema

from shop_stack.kafka_access import KafkaAccess
from shop_stack.rights import ANY, Operation, Resource, Right, Topics, rights_of

CLUSTER = "cluster"
"""The type of the one resource that is the whole cluster. No principal of ours has a right on it."""
REFUSALS = frozenset(
    error.errno
    for error in (
        TopicAuthorizationFailedError,
        GroupAuthorizationFailedError,
        ClusterAuthorizationFailedError,
    )
)
IMPLIED: Mapping[Operation, Operation] = {
    Operation.READ: Operation.DESCRIBE,
    Operation.WRITE: Operation.DESCRIBE,
    Operation.DELETE: Operation.DESCRIBE,
    Operation.ALTER: Operation.DESCRIBE,
    Operation.ALTER_CONFIGS: Operation.DESCRIBE_CONFIGS,
}
"""Kafka allows the second operation to a principal that has the first."""
BEYOND = 2**62
MILLISECONDS = 5_000
TOPIC_CONFIG = 2
TOPIC_ACL, LITERAL, READ_ACL, ANY_ACL = 2, 3, 3, 1
"""Numbers of Kafka's protocol."""

ON_TOPICS: Mapping[Operation, Callable[[str], Any]] = {
    Operation.READ: lambda topic: FetchRequest(0, 0, 1, 0, [(topic, [(0, BEYOND, 1)])]),
    Operation.WRITE: lambda topic: ProduceRequest(None, -1, MILLISECONDS, [(topic, [(0, b"no batch")])]),
    Operation.CREATE: lambda topic: CreateTopicsRequest([(topic, 1, 1, [], [])], MILLISECONDS, True),
    Operation.DELETE: lambda topic: DeleteRecordsRequest([(topic, [(0, BEYOND)])], MILLISECONDS),
    Operation.ALTER: lambda topic: CreatePartitionsRequest([(topic, (1, None))], MILLISECONDS, True),
    Operation.DESCRIBE: lambda topic: MetadataRequest([topic], False),
    Operation.DESCRIBE_CONFIGS: lambda topic: DescribeConfigsRequest(
        [(TOPIC_CONFIG, topic, ["retention.ms"])]
    ),
    Operation.ALTER_CONFIGS: lambda topic: AlterConfigsRequest([(TOPIC_CONFIG, topic, [])], True),
}
ON_GROUPS: Mapping[Operation, Callable[[str], Any]] = {
    Operation.READ: lambda group: HeartbeatRequest(group, 1, "no member"),
    Operation.DESCRIBE: lambda group: OffsetFetchRequest(group, []),
}
DELETE_GROUP = {Operation.DELETE: lambda group: DeleteGroupsRequest([group])}
"""A group without members is deleted if the principal may do it. So this trial is for groups that do not exist."""


class Cell(NamedTuple):
    """One operation of one principal on one resource."""

    principal: str
    resource: str
    name: str
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} on the {self.resource} {self.name}"


class Answers(NamedTuple):
    """What the broker answered: the cells that were tried, and those of them that it allowed."""

    tried: frozenset[Cell]
    allowed: frozenset[Cell]


def expected(principals: Iterable[str], topics: Topics, cells: Collection[Cell]) -> set[Cell]:
    """Those of the cells that the contract allows."""
    rights = [right for principal in principals for right in rights_of(principal, topics)]
    granted = {_cell(right) for right in rights}
    granted |= {_cell(right, IMPLIED[right.operation]) for right in rights if right.operation in IMPLIED}
    return {cell for cell in cells if cell in granted or cell._replace(name=ANY) in granted}


def faults(answers: Answers, wanted: Collection[Cell]) -> list[str]:
    """The differences between the broker and the contract, one sentence each. [] if there is none."""
    allowed = [f"{cell.principal} may do {cell}: the contract does not say so." for cell in answers.allowed]
    surplus = [text for cell, text in zip(answers.allowed, allowed, strict=True) if cell not in wanted]
    missing = [
        f"{cell.principal} may not do {cell}: the contract says that it may."
        for cell in answers.tried & frozenset(wanted)
        if cell not in answers.allowed
    ]
    return sorted([*surplus, *missing])


async def try_all(
    logins: Sequence[KafkaAccess], topics: Collection[str], groups: Collection[str], foreign_group: str
) -> Answers:
    """Try every operation of every principal on these topics and groups, and on the cluster.

    `foreign_group` is a group that does not exist. Raises KafkaError if the broker does not answer, or refuses a login.
    """
    found = await asyncio.gather(*(_try_one(login, topics, groups, foreign_group) for login in logins))
    return Answers(
        frozenset(cell for one in found for cell in one.tried),
        frozenset(cell for one in found for cell in one.allowed),
    )


async def _try_one(
    login: KafkaAccess, topics: Collection[str], groups: Collection[str], foreign_group: str
) -> Answers:
    trials = dict(_trials(login.username, topics, groups, foreign_group))
    client = AIOKafkaClient(**login.client)
    await client.bootstrap()
    try:
        node = client.get_random_node()
        answers = [await client.send(node, request) for request in trials.values()]
    finally:
        await client.close()
    allowed = [cell for cell, answer in zip(trials, answers, strict=True) if not _is_refused(answer)]
    return Answers(frozenset(trials), frozenset(allowed))


def _trials(
    principal: str, topics: Collection[str], groups: Collection[str], foreign_group: str
) -> Iterator[tuple[Cell, Any]]:
    for topic in topics:
        for operation, request in ON_TOPICS.items():
            yield Cell(principal, Resource.TOPIC, topic, operation), request(topic)
    for group in (*groups, foreign_group):
        for operation, request in ON_GROUPS.items():
            yield Cell(principal, Resource.GROUP, group, operation), request(group)
    for operation, request in DELETE_GROUP.items():
        yield Cell(principal, Resource.GROUP, foreign_group, operation), request(foreign_group)
    for name, request in _on_cluster(next(iter(topics))).items():
        yield Cell(principal, CLUSTER, CLUSTER, name), request


def _on_cluster(topic: str) -> Mapping[str, Any]:
    """Requests that only a super user may make. The second would create a right that neither allows nor denies."""
    return {
        "Describe": DescribeAclsRequest(TOPIC_ACL, topic, LITERAL, None, None, ANY_ACL, ANY_ACL),
        "Alter": CreateAclsRequest(TOPIC_ACL, topic, LITERAL, "User:nobody", "*", READ_ACL, ANY_ACL),
    }


def _cell(right: Right, operation: Operation | None = None) -> Cell:
    return Cell(right.principal, right.resource, right.name, operation or right.operation)


def _is_refused(answer: Any) -> bool:
    values = [getattr(answer, name) for name in answer.SCHEMA.names]
    return not REFUSALS.isdisjoint(_error_codes(answer.SCHEMA, values))


def _error_codes(schema: Any, value: Any) -> Iterator[int]:
    """Every error code in a part of an answer, at any depth."""
    if isinstance(schema, Array):
        for item in value or ():
            yield from _error_codes(schema.array_of, item)
    elif isinstance(schema, Schema):
        for name, field, part in zip(schema.names, schema.fields, value, strict=True):
            if name == "error_code":
                yield part
            else:
                yield from _error_codes(field, part)
