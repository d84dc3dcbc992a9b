"""Makes a failing schedule short: it leaves out choices and simplifies them, as long as the failure stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from shop_simulate.processor import Answering
from shop_simulate.run import Result
from shop_simulate.shop import Choice
from shop_simulate.work import Fate

MOST_RUNS = 300
PLAIN = {*Fate, *Answering}
"""Words that a simpler choice does not have."""

Replay = Callable[[Sequence[Choice]], Awaitable[Result]]


async def shrink(failure: Result, replay: Replay) -> Result:
    """A shorter schedule that violates one of the same invariants. It needs at most MOST_RUNS replays."""
    shortest = failure
    runs = 0
    found_shorter = True
    while found_shorter:
        found_shorter = False
        for candidate in _simpler(shortest.choices):
            if runs == MOST_RUNS:
                return shortest
            runs += 1
            result = await replay(candidate)
            if result.violated & failure.violated and _size(result.choices) < _size(shortest.choices):
                shortest = result
                found_shorter = True
                break
    return shortest


def _size(choices: Sequence[Choice]) -> tuple[int, int, int]:
    words = [word for choice in choices for word in choice]
    return len(choices), len(words), sum(int(word) for word in words if word.isdigit())


def _simpler(choices: Sequence[Choice]) -> Iterator[Sequence[Choice]]:
    """Candidates: without a part of the choices, large parts first; then with one choice simplified."""
    length = len(choices) // 2
    while length:
        # The last choices come first: without an earlier one, a later one is often not possible.
        for begin in range(len(choices) - length, -1, -length):
            yield [*choices[:begin], *choices[begin + length :]]
        length //= 2
    for place, choice in enumerate(choices):
        plain = tuple(word for word in choice if word not in PLAIN)
        if plain != choice:
            yield [*choices[:place], plain, *choices[place + 1 :]]
        if choice[0] == "place" and choice[3] != "1":
            yield [*choices[:place], (*choice[:3], "1", *choice[4:]), *choices[place + 1 :]]


def text_of(choices: Sequence[Choice]) -> str:
    """The choices as one text, for a replay."""
    return "; ".join(" ".join(choice) for choice in choices)


def choices_of(text: str) -> list[Choice]:
    """The choices in a text."""
    return [tuple(part.split()) for part in text.split(";") if part.strip()]
