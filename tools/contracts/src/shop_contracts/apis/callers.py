"""The consumers that call an operation of an HTTP API, by the expectations that they have written down."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from shop_contracts.contracts import Contracts
from shop_contracts.expectations import Expectation

PARAMETER = re.compile(r"\\{[^}]*\\}")
"""A parameter in a path, after the path was escaped for a pattern."""


def callers_of(
    contracts: Contracts, providers: Collection[str], operations: Collection[str], operation: str, place: str
) -> tuple[str, ...]:
    """The consumers that call an operation of one of the providers, sorted.

    `operations` are all operations of the document. With a `place`, only consumers that read this field of an answer.
    An empty operation means any one.
    """
    return tuple(
        sorted(
            {
                one.consumer
                for one in _calls(contracts, providers)
                if (not operation or operation_of(one.subject, operations) == operation) and one.reads(place)
            }
        )
    )


def _calls(contracts: Contracts, providers: Collection[str]) -> Iterator[Expectation]:
    for consumer in contracts.consumers:
        for provider, expected in contracts.expectations(consumer).items():
            if provider in providers:
                yield from (one for one in expected if not one.is_event)


def operation_of(call: str, operations: Collection[str]) -> str:
    """The operation that a call such as `GET /orders/7` is one of; empty if it is one of none.

    Of several that match, the one with the fewest parameters counts: `/users/.search` is not `/users/{id}`.
    """
    matching = [one for one in operations if _pattern(one).fullmatch(call)]
    return min(matching, key=lambda one: one.count("{"), default="")


def _pattern(operation: str) -> re.Pattern[str]:
    return re.compile(PARAMETER.sub("[^/]+", re.escape(operation)))
