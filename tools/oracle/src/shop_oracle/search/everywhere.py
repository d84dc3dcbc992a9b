"""Searches every place of a shop that is reached from here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_oracle.search.files import search_backup, search_spans, search_stack
from shop_oracle.search.outside import search_outside
from shop_oracle.search.stores import search_databases, search_topics
from shop_oracle.search.wanted import Place, Wanted
from shop_stack.target import Target

NOT_SEARCHED = {
    "k8s": {"logs of containers that ended": "`kubectl logs --previous`, and where your cluster keeps logs"}
}
"""Target → place → where it is."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search has found."""

    places: Sequence[Place]
    not_searched: dict[str, str]
    """Place → where it is."""

    @property
    def with_hits(self) -> Sequence[Place]:
        return [place for place in self.places if not place.is_clean]

    def as_json(self) -> dict[str, Any]:
        """The findings for `--json`."""
        places = [
            {
                "place": place.name,
                "searched": place.searched,
                "unit": place.unit,
                "hits": dict(place.hits),
                "where": list(place.where),
            }
            for place in self.places
        ]
        return {"places": places, "not_searched": self.not_searched}


async def search(
    target: Target,
    wanted: Sequence[Wanted],
    backups: Sequence[Path] = (),
    on_step: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Search the topics, the databases, the spans, the files and the backups. `on_step` gets the name of each step.

    Raises UserError if a place cannot be read.
    """
    on_step("searching the topics")
    places = await search_topics(target, wanted)
    on_step("searching the databases")
    places += await search_databases(target, wanted)
    on_step("searching spans and files")
    places.append(search_spans(target.spans, wanted))
    if target.name == "embedded":
        places += search_stack(target.state, wanted)
    elif target.name in ("compose", "k8s"):
        places += search_outside(target.name, wanted)
    places += [search_backup(path, wanted) for path in backups]
    return Findings(places, NOT_SEARCHED.get(target.name, {}))
