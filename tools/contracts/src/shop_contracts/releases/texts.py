"""The numbers of the released texts of contracts, for a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shop_contracts.contracts import Contracts
from shop_contracts.releases.freezing import MANAGEMENT, freeze_api, freeze_event, freeze_shared
from shop_contracts.releases.snapshot import Snapshot


@dataclass(frozen=True)
class FrozenTexts:
    """The numbers of the released texts that belong to a release."""

    publishes: Mapping[str, int]
    """Event type → number."""
    reads: Mapping[str, int]
    """Event type → number."""
    openapi: int


def freeze_texts(root: Path, said: Snapshot, service: str) -> FrozenTexts:
    """Freeze the texts of a service's events and of its API, and those that all services share, if they differ.

    An event that the service reads is frozen only if its owner has not released it yet. Returns the numbers of the
    texts that are current then. Raises UserError if a text is missing or damaged.
    """
    contracts = Contracts(root)
    freeze_shared(contracts)
    freeze_api(root, MANAGEMENT)
    publishes = {type_: freeze_event(contracts, type_) for type_ in sorted(said.publishes)}
    reads = {}
    for type_ in sorted(said.reads):
        released = contracts.released(type_)
        reads[type_] = released[-1].number if released else freeze_event(contracts, type_)
    return FrozenTexts(publishes, reads, freeze_api(root, service))


def frozen_files(root: Path) -> set[Path]:
    """Every file of the released texts of the clone."""
    folders = (root / "contracts").rglob("released")
    return {file for folder in folders for file in folder.rglob("*") if file.is_file()}
