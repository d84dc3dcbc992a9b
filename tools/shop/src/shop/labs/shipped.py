"""Checks of labs that release and deploy. Each returns one sentence with what is missing; empty if nothing."""

from __future__ import annotations

from shop.labs.evidence import Evidence
from shop.labs.parts import started


def released(evidence: Evidence, service: str, number: str) -> str:
    """Hold that so many releases of a service were made and committed since the start, at least."""
    made = evidence.shipping.released.get(service, ())
    if len(made) >= int(number):
        return ""
    return (
        f"{len(made)} new releases of {service} are in the last commit, and the lab needs {number}: "
        f"`shop release {service}`, and commit the files that it writes."
    )


def runs_newest(evidence: Evidence, service: str) -> str:
    """Hold that the service runs the last release that was made since the start."""
    made = evidence.shipping.released.get(service, ())
    now = evidence.shipping.running.get(service, "")
    if made and now == made[-1]:
        return ""
    wanted = made[-1] if made else "a new release"
    return f"{service} runs {now or 'nothing'} and not {wanted}: `shop deploy {service} {wanted}`."


def runs_former(evidence: Evidence, service: str) -> str:
    """Hold that the service runs code from before the last release that was made since the start."""
    made = evidence.shipping.released.get(service, ())
    now = evidence.shipping.running.get(service, "")
    if made and now and now != made[-1]:
        return ""
    if not now:
        return f"{service} does not answer: `shop restart {service}`."
    return f"{service} still runs {now}: `shop rollback {service}`."


def sent_with(evidence: Evidence, event: str, field: str) -> str:
    """Hold that an event was sent that has a field."""
    if any(field in one.data for one in evidence.shipping.sent(event)):
        return ""
    return f"no {event} with `{field}` was sent: deploy the release that sends it, and place an order."


def sent_without(evidence: Evidence, event: str, field: str) -> str:
    """Hold that an event was sent that lacks a field."""
    if any(field not in one.data for one in evidence.shipping.sent(event)):
        return ""
    return (
        f"no {event} without `{field}` was sent: place an order while the release runs that does not send it."
    )


def ready_before(evidence: Evidence, reader: str, event: str, field: str) -> str:
    """Hold that the running process of a reader had started before the first event was sent that has a field."""
    first = next((one.sent_ms / 1000 for one in evidence.shipping.sent(event) if field in one.data), None)
    if first is None:
        return sent_with(evidence, event, field)
    identity = evidence.parts.get(f"process/{reader}", "")
    if identity and started(identity) < first:
        return ""
    return f"{event} had `{field}` before {reader} was ready for it: start the lab anew, and deploy {reader} first."


def dead_letters(evidence: Evidence, service: str) -> str:
    """Hold that the service gave up on a message since the start."""
    if evidence.shipping.dead_letters(service):
        return ""
    return f"{service} has given up on no message yet: do the step that has it get a message that it cannot handle."


def all_handled(evidence: Evidence, service: str) -> str:
    """Hold that the service has no open dead letter now."""
    left = evidence.shipping.open_letters.get(service)
    if left == 0:
        return ""
    return (
        f"{service} has {'unknown' if left is None else left} open dead letters: "
        f"redrive or discard them, as the page says."
    )


def column(evidence: Evidence, service: str, name: str) -> str:
    """Hold that the table that is called as its service has a column."""
    if name in evidence.shipping.columns.get(service, ()):
        return ""
    return f"the table {service} has no column {name}: deploy the release whose migration adds it."


def no_column(evidence: Evidence, service: str, name: str) -> str:
    """Hold that the table that is called as its service does not have a column."""
    if name not in evidence.shipping.columns.get(service, ()):
        return ""
    return f"the table {service} still has the column {name}: deploy the release whose migration drops it."


CHECKS = (
    released,
    runs_newest,
    runs_former,
    sent_with,
    sent_without,
    ready_before,
    dead_letters,
    all_handled,
    column,
    no_column,
)
