"""The files that name each service and that people write: `places.yaml` says where a new name goes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from shop_stack.errors import UserError

LIST = Path(__file__).with_name("places.yaml")


@dataclass(frozen=True)
class Place:
    """One insertion: behind each match of the pattern `after`, or behind the last match alone."""

    file: str
    after: str
    text: str
    every: bool = False


def places() -> list[Place]:
    """All of them, in the order in which they are applied."""
    return [Place(**entry) for entry in yaml.safe_load(LIST.read_text())]


def edited(repository: Path, found: Iterable[Place], words: Mapping[str, str]) -> dict[Path, str]:
    """File → its whole text with the insertions. Nothing is written.

    `words` are put in for their names between two `@`. Raises UserError if a file has lost the place of an insertion.
    """
    texts: dict[Path, str] = {}
    for place in found:
        path = repository / place.file
        try:
            text = texts.get(path) or path.read_text()
        except FileNotFoundError:
            raise UserError(f"{place.file} is missing: see {LIST.name} in {LIST.parent}.") from None
        texts[path] = inserted(text, place, words)
    return texts


def inserted(text: str, place: Place, words: Mapping[str, str]) -> str:
    """The text with one insertion. Raises UserError if the pattern matches nowhere."""
    pattern = _filled(place.after, {name: re.escape(word) for name, word in words.items()})
    matches = list(re.finditer(pattern, text, re.MULTILINE))
    if not matches:
        raise UserError(
            f"{place.file} has no line that matches {pattern!r}, behind which the new service is named: "
            f"correct the file, or the place in {LIST}."
        )
    addition = _filled(place.text, words)
    # From the end, so that the positions of the matches before stay right.
    for match in reversed(matches if place.every else matches[-1:]):
        text = text[: match.end()] + match.expand(addition) + text[match.end() :]
    return text


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text
