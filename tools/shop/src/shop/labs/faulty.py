"""Checks of labs that inject faults. Each returns one sentence with what is missing; empty if nothing."""

from __future__ import annotations

from collections import Counter

from shop.labs.evidence import Evidence


def kept(evidence: Evidence, part: str) -> str:
    """Hold that a part is the same process as at the start."""
    if evidence.parts.get(part) and evidence.parts[part] == evidence.start.parts.get(part):
        return ""
    name = part.rpartition("/")[2]
    return f"{name} is not the process that ran at the start: start the lab anew, and do not restart {name}."


def took(evidence: Evidence, seconds: str) -> str:
    """Hold that an order ended, and took at least so many seconds."""
    taken = [order.ended - order.placed for order in evidence.orders if order.ended is not None]
    if max(taken, default=0.0) >= float(seconds):
        return ""
    return f"no order took {seconds} s to end: place one while the part does not work, and wait before you cure it."


def sent_twice(evidence: Evidence, event: str) -> str:
    """Hold that an event is on its topic twice, with one event id."""
    ids = Counter(one.id for one in evidence.shipping.sent(event))
    if any(count > 1 for count in ids.values()):
        return ""
    return f"no {event} was sent twice since the start: republish it as the page says."


def ruled(evidence: Evidence, folder: str, verdict: str) -> str:
    """Hold that the experiments whose report is in a folder have a verdict: `holds`, `violated` or `vacuous`."""
    found = evidence.reports.experiments.get(folder, ())
    if found and set(found) == {verdict}:
        return ""
    said = f"is {', '.join(found)}" if found else "is not there"
    return f"the report {folder} {said}, and the lab needs {verdict}: run the experiment as the page says."


def drilled(evidence: Evidence, verdict: str) -> str:
    """Hold that the last drill since the start has a verdict."""
    found = evidence.reports.drill
    if found == verdict:
        return ""
    said = f"is {found!r}" if found else "is not there"
    return f"the verdict of the drill {said}: start a drill, cure the fault, and answer it."


CHECKS = (kept, took, sent_twice, ruled, drilled)
