"""The numbers of the released texts of contracts, for a release."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from shop_contracts.releases.snapshot import Snapshot


@dataclass(frozen=True)
class FrozenTexts:
    """The numbers of the released texts that belong to a release."""

    publishes: Mapping[str, int]
    """Event type → number."""
    reads: Mapping[str, int]
    """Event type → number. 0 if the owner of the event has not released it yet."""
    openapi: int


def freeze_texts(root: Path, said: Snapshot, service: str) -> FrozenTexts:
    """Freeze the texts of the service's events and of its API where they differ from the last released ones.

    Returns the numbers of the texts that are current then.
    """
    import_module("shop_contracts.compatibility.freeze").freeze(root, service)
    return FrozenTexts(
        publishes={type_: event_number(root, type_) for type_ in sorted(said.publishes)},
        reads={type_: event_number(root, type_) for type_ in sorted(said.reads)},
        openapi=_last(root / "contracts" / "openapi" / "released", rf"{re.escape(service)}\.(\d+)\.yaml"),
    )


def event_number(root: Path, type_: str) -> int:
    """The number of the last released text of an event; 0 if there is none."""
    name, _, version = type_.rpartition(".")
    folder = root / "contracts" / "events" / name / "released"
    return _last(folder, rf"{re.escape(version)}\.(\d+)\.schema\.json")


def _last(folder: Path, form: str) -> int:
    numbers = [int(found[1]) for file in folder.glob("*") if (found := re.fullmatch(form, file.name))]
    return max(numbers, default=0)


def frozen_files(root: Path) -> set[Path]:
    """Every file of the released texts of the clone."""
    folders = (root / "contracts").rglob("released")
    return {file for folder in folders for file in folder.rglob("*") if file.is_file()}
