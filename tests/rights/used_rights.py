"""The rights that a broker has used, by the log of its authorizer, and the granted ones that are not among them."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from shop_stack.rights import Operation, Resource, Right

ALLOWED = re.compile(
    r"Principal = User:(?P<principal>\S+) is Allowed operation = (?P<operation>\w+) from host = \S+"
    r" on resource = (?P<resource>\w+):LITERAL:(?P<name>\S+) for request = "
)
"""A line of `kafka.authorizer.logger` about a request that was allowed."""
RESOURCES = {"Topic": Resource.TOPIC, "Group": Resource.GROUP}
OPERATIONS = {operation.name: operation for operation in Operation}

NEEDED_UNUSED: Mapping[Right, str] = {}
"""Rights that no run uses and that stay granted, with the reason."""


def used_rights(log: Iterable[str]) -> set[Right]:
    """The rights that a log shows as used. Lines about other resources, and about refusals, are left out."""
    found = filter(None, map(ALLOWED.search, log))
    return {
        Right(each["principal"], RESOURCES[each["resource"]], each["name"], OPERATIONS[each["operation"]])
        for each in found
        if each["resource"] in RESOURCES and each["operation"] in OPERATIONS
    }


def unused_rights(granted: Iterable[Right], used: Collection[Right]) -> list[str]:
    """The granted rights that were not used, one sentence each.

    Each client describes all topics that it may see when it connects. So Describe on a topic counts as used only if its
    principal has used another right on the topic.
    """
    return sorted(
        f"{right.principal} never uses {right.operation} on the {right.resource} {right.name}:"
        " take the right from shop_stack/rights.py or contracts/topics.yaml."
        for right in granted
        if right not in NEEDED_UNUSED and not _is_used(right, used)
    )


def _is_used(right: Right, used: Collection[Right]) -> bool:
    if (right.resource, right.operation) != (Resource.TOPIC, Operation.DESCRIBE):
        return right in used
    others = (replace(right, operation=each) for each in Operation if each is not Operation.DESCRIBE)
    return any(other in used for other in others)
