"""The findings of a provider's tests about the expectations of its consumers, read from the report of pytest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from shop_contracts.expectations import Expectation
from shop_stack.errors import UserError

WAY_OUT = " The way out: "
"""It divides each sentence of the tests."""
CONSUMER = re.compile(r"\[(.+)\]$")
FIELD = re.compile(r"`([^`]+)`")
ERRORS_NAME = re.compile(r"^(?:[\w.]+: )+")
"""The beginning of a message of pytest: the class of the error, or `pending`."""
XFAIL = "pytest.xfail"
MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of an expectation that a provider does not meet."""

    consumer: str
    description: str
    """Of the interaction; empty if the finding is about all of the consumer's."""
    field: str
    """The field or the header; empty if the finding names none."""
    reason: str
    way_out: str
    pending: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What the tests found, and for which consumers they ran at all."""

    findings: tuple[Finding, ...]
    verified: frozenset[str]


def read_report(text: str, expectations: Sequence[Expectation]) -> Report:
    """The findings in a JUnit report of pytest.

    Raises UserError if a test could not be run, which says nothing about the provider.
    """
    findings: list[Finding] = []
    verified = set()
    for case in ElementTree.fromstring(text).iter("testcase"):
        consumer = found[1] if (found := CONSUMER.search(case.get("name", ""))) else ""
        if (error := case.find("error")) is not None:
            raise UserError(
                f"The tests of the provider could not be run ({case.get('name')}): {_short(error.get('message'))}. "
                "See `shop doctor`, and try again."
            )
        failed = case.find("failure")
        skipped = case.find("skipped")
        if failed is not None:
            findings += _findings(failed.get("message") or "", consumer, expectations, False)
        elif skipped is not None:
            if skipped.get("type") != XFAIL:
                continue
            findings += _findings(skipped.get("message") or "", consumer, expectations, True)
        verified.add(consumer)
    return Report(tuple(dict.fromkeys(findings)), frozenset(verified))


def _findings(
    message: str, consumer: str, expectations: Sequence[Expectation], pending: bool
) -> Iterator[Finding]:
    told = [line.strip() for line in message.splitlines() if WAY_OUT in line]
    for sentence in told or [_short(message)]:
        reason, _, way_out = sentence.partition(WAY_OUT)
        if way_out:
            reason = ERRORS_NAME.sub("", reason)
        described = [
            one.description for one in expectations if one.consumer == consumer and one.description in reason
        ]
        field = FIELD.search(reason)
        yield Finding(
            consumer=consumer,
            description=_first_of(described, reason),
            field=field[1] if field else "",
            reason=reason if reason.endswith(".") else f"{reason}.",
            way_out=way_out.rstrip(".")
            or f"see what {consumer} has written down in contracts/consumers/{consumer}",
            pending=pending,
        )


def _first_of(descriptions: Sequence[str], reason: str) -> str:
    """The interaction that a sentence names first: it may go on to list others. Of `a` and `ab`, the longer one."""
    return min(descriptions, key=lambda one: (reason.index(one), -len(one)), default="")


def _short(message: str | None) -> str:
    return " ".join((message or "it gave no message").split())[:MOST_SHOWN]
