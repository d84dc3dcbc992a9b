"""SQL as statements and words, as far as a guard needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
      (?P<space>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<dollar>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<string>[eEbBxX]?'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<word>\w+)
    | (?P<sign>::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
OPENING = "(["
CLOSING = ")]"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `line` is the line of its first word, from 1."""

    line: int
    words: tuple[str, ...]
    """Words in lower case, quoted names without quotes, texts and signs as they stand. No comments."""

    def starts(self, *words: str) -> bool:
        """Whether the statement begins with these words."""
        return self.words[: len(words)] == words


def statements(text: str) -> list[Statement]:
    """The statements of a text, in order. A semicolon ends one, except inside of a quoted text."""
    found: list[Statement] = []
    words: list[str] = []
    start = 0
    for match in TOKEN.finditer(text):
        if match["space"]:
            continue
        if match["sign"] == ";":
            if words:
                found.append(Statement(start, tuple(words)))
            words = []
            continue
        if not words:
            start = text.count("\n", 0, match.start()) + 1
        words.append(_word(match))
    if words:
        found.append(Statement(start, tuple(words)))
    return found


def _word(match: re.Match[str]) -> str:
    if match["quoted"]:
        return match["quoted"][1:-1].replace('""', '"')
    return match["word"].lower() if match["word"] else match[0]


def split(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The parts between commas that stand in no brackets."""
    depth = 0
    part: list[str] = []
    for word in words:
        depth += (word in OPENING) - (word in CLOSING)
        if word == "," and depth == 0:
            yield tuple(part)
            part = []
        else:
            part.append(word)
    if part:
        yield tuple(part)


def in_brackets(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(the words of the first brackets, the words behind them). Both are empty if there are no brackets."""
    if "(" not in words:
        return (), ()
    start = list(words).index("(")
    depth = 0
    for position in range(start, len(words)):
        depth += (words[position] in OPENING) - (words[position] in CLOSING)
        if depth == 0:
            return tuple(words[start + 1 : position]), tuple(words[position + 1 :])
    return tuple(words[start + 1 :]), ()


def outside_brackets(words: Sequence[str]) -> tuple[str, ...]:
    """The words that stand in no brackets."""
    depth = 0
    kept = []
    for word in words:
        depth += word in OPENING
        if depth == 0:
            kept.append(word)
        depth -= word in CLOSING
    return tuple(kept)


def has(words: Sequence[str], *wanted: str) -> bool:
    """Whether these words stand in a row somewhere."""
    size = len(wanted)
    return any(tuple(words[at : at + size]) == wanted for at in range(len(words) - size + 1))


def without(words: Sequence[str], *noise: tuple[str, ...]) -> tuple[str, ...]:
    """The words without any of these rows of words at the beginning, such as `if exists`."""
    rest = tuple(words)
    for row in noise:
        if rest[: len(row)] == row:
            rest = rest[len(row) :]
    return rest


def name_of(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """(a name without its schema, the words behind it)."""
    if len(words) > 2 and words[1] == ".":
        return words[2], tuple(words[3:])
    return (words[0], tuple(words[1:])) if words else ("", ())
