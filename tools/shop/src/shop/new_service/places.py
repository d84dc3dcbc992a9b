"""Edits the files that name each service and that people maintain. `places.yaml` says where a new name is inserted."""

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
    """One insertion: after each match of the pattern `after` (with `every`), or only after the last match."""

    file: str
    after: str
    text: str
    every: bool = False


def places() -> list[Place]:
    """All insertions, in the order in which they are applied."""
    return [Place(**entry) for entry in yaml.safe_load(LIST.read_text())]


def edited(repository: Path, found: Iterable[Place], words: Mapping[str, str]) -> dict[Path, str]:
    """File → its whole text with the insertions. Nothing is written.

    `words` maps a name to a word: `@name@` in a pattern or a text is replaced by the word. Raises UserError if a file
    is missing or if a pattern has no match.
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
    """The text with one insertion. Raises UserError if the pattern has no match."""
    pattern = _filled(place.after, {name: re.escape(word) for name, word in words.items()})
    matches = list(re.finditer(pattern, text, re.MULTILINE))
    if not matches:
        raise UserError(
            f"{place.file} has no line that matches {pattern!r}, after which the new service is named: "
            f"correct the file, or the pattern in {LIST}."
        )
    addition = _filled(place.text, words)
    # From the last match to the first, so that the positions of earlier matches stay valid.
    for match in reversed(matches if place.every else matches[-1:]):
        text = text[: match.end()] + match.expand(addition) + text[match.end() :]
    return text


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text
