"""The files in contracts/consumers: their text, their consumers and their providers."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pact import Pact

from testkit.contracts import CONTRACTS

CONSUMERS = CONTRACTS / "consumers"
WRITE = "SHOP_WRITE_EXPECTATIONS"
"""The variable with which `make contracts` has the consumers' tests write their files."""
EVENTS = "Asynchronous/Messages"
HTTP = "Synchronous/HTTP"
NO_READER = "no reader"
"""In the place of a consumer, for a provider of events that has none yet."""
SHOWN_LINES = 40

Interaction = dict[str, Any]


class WrongExpectation(AssertionError):
    """A file of expectations is wrong in itself, or its provider cannot know what it asks for."""


@dataclass(frozen=True, slots=True)
class PactFile:
    """The expectations of one consumer of one provider."""

    consumer: str
    provider: str
    interactions: tuple[Interaction, ...]

    @property
    def name(self) -> str:
        """The file's path in the repository."""
        return f"contracts/consumers/{self.consumer}/{self.provider}.json"

    def of_kind(self, kind: str) -> tuple[Interaction, ...]:
        """The interactions of one kind: EVENTS or HTTP."""
        return tuple(each for each in self.interactions if each["type"] == kind)

    @classmethod
    def read(cls, path: Path) -> PactFile:
        """Read a file. Raises WrongExpectation if its text is not that of its folder and its name."""
        consumer = path.parent.name
        provider = path.stem
        name = f"contracts/consumers/{consumer}/{provider}.json"
        try:
            document = json.loads(path.read_text())
            named = (document["consumer"]["name"], document["provider"]["name"])
            interactions = tuple(document["interactions"])
            kinds = {interaction["type"] for interaction in interactions}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongExpectation(f"{name} is no Pact file ({error!r}): run `make contracts`.") from None
        if named != (consumer, provider):
            raise WrongExpectation(
                f"{name} says that it is of {named[0]} for {named[1]}: a file is named after its provider, "
                "and lies in the folder of its consumer. Move it, or run `make contracts`."
            )
        if not kinds <= {EVENTS, HTTP}:
            raise WrongExpectation(f"{name} has an interaction of an unknown kind: {sorted(kinds)}.")
        return cls(consumer, provider, interactions)


def files_for(provider: str, folder: Path = CONSUMERS) -> list[PactFile]:
    """The files that name a provider, by their consumers."""
    return [PactFile.read(path) for path in sorted(folder.glob(f"*/{provider}.json"))]


def event_readers(provider: str, folder: Path = CONSUMERS) -> list[str]:
    """The consumers that read events of a provider, or NO_READER alone: pytest skips a test with no parameters."""
    return [file.consumer for file in files_for(provider, folder) if file.of_kind(EVENTS)] or [NO_READER]


def http_clients(provider: str) -> list[str]:
    """The consumers that call the API of a provider."""
    return [file.consumer for file in files_for(provider) if file.of_kind(HTTP)]


def canonical(document: dict[str, Any]) -> str:
    """The text of a Pact document: in one order, and without the versions of the tools that wrote it."""
    version = document["metadata"]["pactSpecification"]
    interactions = sorted(document["interactions"], key=lambda each: json.dumps(each, sort_keys=True))
    interactions.sort(key=lambda each: str(each["description"]))
    kept = {**document, "interactions": interactions, "metadata": {"pactSpecification": version}}
    return json.dumps(kept, indent=2, sort_keys=True) + "\n"


def text_of(pact: Pact) -> str:
    """The text of the file of a pact."""
    with TemporaryDirectory() as folder:
        pact.write_file(folder, overwrite=True)
        (path,) = Path(folder).iterdir()
        return canonical(json.loads(path.read_text()))


def keep(pact: Pact, folder: Path = CONSUMERS) -> None:
    """Compare the file of a pact with the code, or write it if the tests are run by `make contracts`.

    Raises AssertionError with the rule, the cure and the differing lines.
    """
    path = folder / pact.consumer / f"{pact.provider}.json"
    text = text_of(pact)
    before = path.read_text() if path.is_file() else ""
    if os.environ.get(WRITE) == "1":
        if text != before:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return
    name = f"contracts/consumers/{pact.consumer}/{pact.provider}.json"
    assert text == before, (
        f"{name} {'differs from' if before else 'is missing, and has'} what the code of {pact.consumer} reads. "
        f"The rule: this file says what {pact.consumer} reads of {pact.provider}, and the tests of "
        f"{pact.consumer} write it. The cure: run `make contracts`, read the difference as {pact.provider} "
        f"would, and commit the file.\n{_difference(before, text)}"
    )


def _difference(before: str, now: str) -> str:
    lines = list(
        difflib.unified_diff(before.splitlines(), now.splitlines(), "file", "code", n=1, lineterm="")
    )
    more = len(lines) - SHOWN_LINES
    return "\n".join([*lines[:SHOWN_LINES], *([f"… and {more} more lines"] if more > 0 else [])])


def assert_no_other_files(consumer: str, providers: Collection[str], folder: Path = CONSUMERS) -> None:
    """A consumer has files for these providers and no other. `make contracts` deletes the others.

    Raises AssertionError with the rule and the cure.
    """
    others = sorted(path for path in (folder / consumer).glob("*.json") if path.stem not in providers)
    if os.environ.get(WRITE) == "1":
        for path in others:
            path.unlink()
        return
    assert others == [], (
        f"{consumer} reads nothing of {', '.join(path.stem for path in others)} any more, and still has its "
        f"expectations in contracts/consumers/{consumer}/. The cure: run `make contracts`."
    )


def faults_of_files(parties: Collection[str], folder: Path = CONSUMERS) -> Iterator[str]:
    """One sentence for each file that is wrong in itself, or whose consumer or provider is none of `parties`."""
    known = ", ".join(sorted(parties))
    for path in sorted(folder.rglob("*.json")):
        name = f"contracts/consumers/{path.relative_to(folder)}"
        if path.parent.parent != folder:
            yield f"{name} is not contracts/consumers/<consumer>/<provider>.json: move it."
            continue
        for role, party in (("consumer", path.parent.name), ("provider", path.stem)):
            if party not in parties:
                yield (
                    f"{name}: there is no {role} {party!r}. It is one of {known}: correct the name, "
                    "or delete the file."
                )
        try:
            PactFile.read(path)
        except WrongExpectation as error:
            yield str(error)
