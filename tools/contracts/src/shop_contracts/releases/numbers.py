"""The numbers of released texts in a release's file, compared with the texts themselves."""

from __future__ import annotations

from pathlib import Path

from shop_contracts.releases import git
from shop_contracts.releases.freezing import last_number
from shop_contracts.releases.model import Release

EVENTS = "contracts/events"
APIS = "contracts/openapi"


def wrong_numbers(root: Path, release: Release) -> list[str]:
    """The event types and APIs whose number is not that of the text that the commit has.

    A number of an event that is read may be that of an older text: its owner may not have released the latest one.
    """
    texts = {
        type_: (_event(type_), _released_event(type_, number)) for type_, number in release.publishes.items()
    }
    if release.api.openapi:
        name = release.service
        texts["openapi"] = (f"{APIS}/{name}.yaml", f"{APIS}/released/{name}.{release.api.openapi}.yaml")
    hashes = git.hashes(root, [f"{release.commit}:{today}" for today, _ in texts.values()]) if texts else []
    wrong = [
        name
        for (name, (_, released)), expected in zip(texts.items(), hashes, strict=True)
        if not _is(root / released, expected)
    ]
    wrong += [
        type_ for type_, number in release.reads.items() if not 1 <= number <= _last_number_of(root, type_)
    ]
    return wrong


def _is(file: Path, expected: str | None) -> bool:
    """Whether a file has the content of this name in git."""
    return (
        expected is not None
        and file.is_file()
        and git.blob_hash(file.read_bytes(), len(expected)) == expected
    )


def _event(type_: str) -> str:
    name, _, version = type_.rpartition(".")
    return f"{EVENTS}/{name}/{version}.schema.json"


def _released_event(type_: str, number: int) -> str:
    name, _, version = type_.rpartition(".")
    return f"{EVENTS}/{name}/released/{version}.{number}.schema.json"


def _last_number_of(root: Path, type_: str) -> int:
    name, _, version = type_.rpartition(".")
    files = (root / EVENTS / name / "released").glob("*")
    return last_number(files, rf"{version}\.(\d+)\.schema\.json")
