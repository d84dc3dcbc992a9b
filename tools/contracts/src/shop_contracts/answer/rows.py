"""The rows of the matrix, made of the findings about pairs and of the outcomes of stored messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shop_contracts.answer.decoding import Outcome
from shop_contracts.answer.findings import Finding
from shop_contracts.answer.matrix import Row, Verdict
from shop_contracts.answer.pairs import Pair, Unwritten
from shop_contracts.answer.resolving import Unresolved
from shop_contracts.answer.stored import Group
from shop_contracts.answer.unknown import UnknownType
from shop_contracts.releases.providers import path_of
from shop_stack.tables import TooOld

UNTYPED = "messages without a type"


def row_of_unresolved(service: str, found: Unresolved) -> Row:
    """The row of a counterpart whose release is not known. It is a no, because nothing can be verified."""
    return Row(
        counterpart=found.service,
        version=found.version,
        direction=f"runs beside {service}",
        subject="/version",
        verdict=Verdict.NO,
        since="-",
        reason=f"{found.why}.",
        way_out=found.cure,
    )


def row_of_unwritten(service: str, found: Unwritten) -> Row:
    """The row of a consumer that reads events and has not written down what it reads of them."""
    consumer = f"{found.consumer.name} {found.consumer.version}"
    is_consumer = found.consumer.name == service
    other = found.provider if is_consumer else found.consumer
    file = path_of(found.consumer.name, found.provider.name)
    return Row(
        counterpart=other.name,
        version=other.version,
        direction=direction(service, found.consumer.name),
        subject="events",
        verdict=Verdict.NO,
        since="-",
        reason=f"{consumer} reads events of {found.provider.name}, and has not written down what it reads of them.",
        way_out=f"release {found.consumer.name} with {file}, which its contract tests write",
    )


def row_of_unknown_type(service: str, found: UnknownType) -> Row:
    """The row of a type that a provider sends and a consumer does not know."""
    consumer, provider = found.consumer.service, found.provider.service
    is_consumer = consumer == service
    other = found.provider if is_consumer else found.consumer
    lost = (
        f", and {consumer} misses {' and '.join(found.missed)}, which is no longer sent"
        if found.missed
        else ""
    )
    return Row(
        counterpart=other.service,
        version=other.version,
        direction=direction(service, consumer),
        subject=found.type,
        verdict=Verdict.NO,
        since="-",
        field="ce_type",
        reason=(
            f"{consumer} {found.consumer.version} does not know {found.type}, which {provider} "
            f"{found.provider.version} sends on {found.topic}: each one becomes a dead letter{lost}."
        ),
        way_out=(
            f"let {service} handle or ignore it, or deploy a release of {provider} first that does not send it"
            if is_consumer
            else f"deploy a release of {consumer} first that handles or ignores it, or let {service} not send it yet"
        ),
    )


def row_of_tables(service: str, schema: str, found: TooOld) -> Row:
    """The row of a database whose tables are too far ahead of the release."""
    return Row(
        counterpart=f"database of {service}",
        version=f"migration {schema}",
        direction=f"is read by {service}",
        subject="tables",
        verdict=Verdict.NO,
        since="-",
        reason=found.reason,
        way_out=found.way_out,
    )


def direction(service: str, consumer: str) -> str:
    """The counterpart's part, in words: it reads the service, or is read by it."""
    return f"is read by {service}" if consumer == service else f"reads {service}"


def rows_of_pair(service: str, pair: Pair, findings: Sequence[Finding]) -> Iterator[Row]:
    """One row for each event and each request of a pair; more if several fields of one are wrong."""
    known = {one.description for one in pair.expectations}
    for one in pair.expectations:
        about = [finding for finding in findings if finding.description == one.description]
        since = pair.since.get(one.description, "-")
        if not about:
            yield _row(service, pair, one.subject, since)
        for finding in about:
            yield _row(service, pair, one.subject, since, finding)
    for finding in findings:
        if finding.description not in known:
            yield _row(service, pair, "everything", "-", finding)


def _row(service: str, pair: Pair, subject: str, since: str, finding: Finding | None = None) -> Row:
    other = pair.provider if pair.consumer.name == service else pair.consumer
    verdict = Verdict.YES if finding is None else Verdict.PENDING if finding.pending else Verdict.NO
    return Row(
        counterpart=other.name,
        version=other.version,
        direction=direction(service, pair.consumer.name),
        subject=subject,
        verdict=verdict,
        since=since,
        field=finding.field if finding else "",
        reason=finding.reason if finding else "",
        way_out=_way_out(service, pair, finding) if finding else "",
    )


def _way_out(service: str, pair: Pair, finding: Finding) -> str:
    """The way out as seen from the service that is to be deployed."""
    consumer = pair.consumer.name
    provider = pair.provider.name
    if not finding.description:
        return finding.way_out
    if consumer == service:
        return f"deploy a release of {provider} first that sends it, or let {service} do without it"
    return (
        f"let {service} send it as before until no deployed release of {consumer} reads it, or deploy a release of "
        f"{consumer} first that does not"
    )


def rows_of_messages(service: str, groups: Sequence[Group], outcomes: Sequence[Outcome]) -> Iterator[Row]:
    """One row for each type of a topic, an outbox or the dead letters; one for each shape that cannot be read."""
    read: dict[tuple[str, str], list[Group]] = {}
    for group, outcome in zip(groups, outcomes, strict=True):
        if outcome is None:
            read.setdefault((group.source, group.first.type), []).append(group)
            continue
        first = group.first
        field = f" `{outcome.field}`" if outcome.field else ""
        yield _row_of_messages(
            service,
            [group],
            Verdict.NO,
            field=outcome.field,
            reason=(
                f"{service} could not read{field} of {first.type or 'a message without a type'} at {first.place}: "
                f"{outcome.detail} ({outcome.reason}, {_messages(group.count)} of this shape)."
            ),
            way_out=(
                f"let {service} read this form too, as long as it is stored, or redrive or discard it first"
                if group.source == "dead letters"
                else f"let {service} read this form too, until the last message of it has left {group.source}"
            ),
        )
    for same in read.values():
        yield _row_of_messages(service, same, Verdict.YES)


def _row_of_messages(
    service: str,
    groups: Sequence[Group],
    verdict: Verdict,
    field: str = "",
    reason: str = "",
    way_out: str = "",
) -> Row:
    first = min((group.first for group in groups), key=lambda message: message.sent_ms)
    return Row(
        counterpart=groups[0].source,
        version=_messages(sum(group.count for group in groups)),
        direction=f"is read by {service}",
        subject=first.type or UNTYPED,
        verdict=verdict,
        since=f"{first.at:%Y-%m-%d %H:%M}",
        field=field,
        reason=reason,
        way_out=way_out,
    )


def _messages(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"
