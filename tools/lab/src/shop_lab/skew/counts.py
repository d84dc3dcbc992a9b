"""Counts the messages that one release wrote and the other release handled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shop_lab.skew.cells import Crossings
from shop_lab.skew.pairs import Pair, Side
from shop_observe.handled import Handling, Process


def crossings(handlings: Iterable[Handling], pairs: Mapping[str, Pair], service: str) -> Crossings:
    """The messages between a service and the others that crossed from one side to the other.

    Only a handling that succeeded counts, and each message counts once for each reader. A message whose writer is not
    certain does not count.
    """
    crossed: dict[tuple[Side, Side], set[tuple[str, str]]] = {}
    for one in handlings:
        if one.failed or service not in (one.writer.service, one.reader.service):
            continue
        way = side_of(one.writer, pairs), side_of(one.reader, pairs)
        if way[0] is not None and way[1] is not None:
            crossed.setdefault((way[0], way[1]), set()).add((one.event_id, one.reader.service))
    return Crossings(
        old_to_new=len(crossed.get((Side.OLD, Side.NEW), ())),
        new_to_old=len(crossed.get((Side.NEW, Side.OLD), ())),
    )


def side_of(process: Process, pairs: Mapping[str, Pair]) -> Side | None:
    """The side that a process is on; None if its release is neither of the two."""
    pair = pairs.get(process.service)
    return None if pair is None else pair.side_of(process.release)
