"""The Kafka rights of every principal, derived from contracts/topics.yaml. A pure function: it asks no broker.

The embedded stack and the image `topics` create these rights as ACLs. deploy/k8s/generate.py writes them as Strimzi's
KafkaUsers. A principal has a right only if a list of this module contains it: brokers refuse all other requests
(`allow.everyone.if.no.acl.found=false`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

Topics: TypeAlias = Sequence[Mapping[str, Any]]
"""The list in topics.yaml. `name`, `owner` and `readers` of each entry are read."""

STACK = "topics"
"""The principal of the program that creates topics, users and rights. It is the only one of `super.users`."""
ORACLE = "oracle"
"""The principal of the tools that read the log: oracle, trace, watch. It writes nothing."""
KEDA = "keda"
"""The principal that measures how far each group is behind. It exists on Kubernetes only."""
LAB = "lab"
"""The principal of foreign records. It exists only where a lab runs, and where `shop send` was used."""

ANY = "*"
"""The name of every resource of a type."""


class Resource(StrEnum):
    """The type of a resource. The values are Kafka's names."""

    TOPIC = "topic"
    GROUP = "group"


class Pattern(StrEnum):
    """How a right's name is compared with a resource's name."""

    LITERAL = "literal"
    """The name itself, or `ANY`."""


class Operation(StrEnum):
    """An operation on a resource. The values are Kafka's names."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DELETE = "Delete"
    ALTER = "Alter"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    ALTER_CONFIGS = "AlterConfigs"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One operation that one principal may do on the resources of one name."""

    principal: str
    resource: Resource
    name: str
    operation: Operation
    pattern: Pattern = Pattern.LITERAL


def services_of(topics: Topics) -> list[str]:
    """The owners and readers of the topics, each once, in the order of the file."""
    names = [str(name) for topic in topics for name in (topic["owner"], *topic["readers"])]
    return list(dict.fromkeys(names))


def read_by(service: str, topics: Topics) -> list[str]:
    """The names of the topics that the service reads."""
    return [str(topic["name"]) for topic in topics if service in topic["readers"]]


def readers_of(topics: Topics) -> list[str]:
    """The services that read a topic. Each has a consumer group of its own name."""
    return [service for service in services_of(topics) if read_by(service, topics)]


def principals(topics: Topics) -> list[str]:
    """The principals that log in to every shop, apart from the stack: the services and the oracle."""
    return [*services_of(topics), ORACLE]


def rights_of(principal: str, topics: Topics) -> list[Right]:
    """The rights of a principal, each once. [] for an unknown one, and for STACK, which needs none."""
    match principal:
        case "oracle":
            return oracle_rights(topics)
        case "keda":
            return keda_rights(topics)
        case "lab":
            return lab_rights()
        case _:
            return service_rights(principal, topics)


def all_rights(topics: Topics) -> list[Right]:
    """The rights of all `principals`."""
    return [right for principal in principals(topics) for right in rights_of(principal, topics)]


def service_rights(service: str, topics: Topics) -> list[Right]:
    """A service writes the topics that it owns. It reads those that it is a reader of, in the group of its own name."""
    rights: list[Right] = []
    for topic in topics:
        if topic["owner"] == service:
            rights += _on_topic(service, topic["name"], Operation.WRITE, Operation.DESCRIBE)
    for name in read_by(service, topics):
        # A consumer compares the retention of its inbox with that of its topics, hence DescribeConfigs.
        rights += _on_topic(service, name, Operation.READ, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)
    if read_by(service, topics):
        rights += _on_group(service, service, Operation.READ, Operation.DESCRIBE)
    return list(dict.fromkeys(rights))


def oracle_rights(topics: Topics) -> list[Right]:
    """The oracle reads every declared topic without a group, and sees the offsets of every group."""
    rights: list[Right] = []
    for topic in topics:
        rights += _on_topic(ORACLE, topic["name"], Operation.READ, Operation.DESCRIBE)
    for group in readers_of(topics):
        rights += _on_group(ORACLE, group, Operation.DESCRIBE)
    return rights


def keda_rights(topics: Topics) -> list[Right]:
    """KEDA sees how far each group is behind, and no message."""
    rights: list[Right] = []
    for topic in topics:
        if topic["readers"]:
            rights += _on_topic(KEDA, topic["name"], Operation.DESCRIBE)
    for group in readers_of(topics):
        rights += _on_group(KEDA, group, Operation.DESCRIBE)
    return rights


def lab_rights() -> list[Right]:
    """The lab creates topics, writes any record to any topic, and has any group. It changes no user and no right."""
    return [*_on_topic(LAB, ANY, *Operation), *_on_group(LAB, ANY, *LAB_ON_GROUPS)]


LAB_ON_GROUPS = (Operation.READ, Operation.DESCRIBE, Operation.DELETE)


def _on_topic(principal: str, name: object, *operations: Operation) -> Iterable[Right]:
    return [Right(principal, Resource.TOPIC, str(name), operation) for operation in operations]


def _on_group(principal: str, name: str, *operations: Operation) -> Iterable[Right]:
    return [Right(principal, Resource.GROUP, name, operation) for operation in operations]
