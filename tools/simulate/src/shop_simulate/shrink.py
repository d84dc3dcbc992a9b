"""Makes a failing schedule short: it leaves out choices and simplifies them, as long as the failure stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from shop_simulate.choices import Answering, Choice
from shop_simulate.run import Result
from shop_simulate.work import Fate

MOST_RUNS = 300
PLAIN = {*Fate, *Answering}
"""Words that a simpler choice does not have."""

Replay = Callable[[Sequence[Choice]], Awaitable[Result]]


async def shrink(failure: Result, replay: Replay) -> Result:
    """A shorter schedule that violates one of the same invariants. It needs about MOST_RUNS replays at most."""
    shrinking = _Shrinking(failure, replay)
    before = None
    while before is not shrinking.shortest and shrinking.runs < MOST_RUNS:
        before = shrinking.shortest
        await shrinking.leave_out()
        await shrinking.simplify()
    return shrinking.shortest


class _Shrinking:
    """The shortest failing schedule so far."""

    def __init__(self, failure: Result, replay: Replay) -> None:
        self.shortest = failure
        self.runs = 0
        self._violated = failure.violated
        self._replay = replay

    async def leave_out(self) -> None:
        """Leave out parts of the choices, large parts first.

        The last choices are tried first: without an early choice, many later ones are not possible.
        """
        length = len(self.shortest.choices) // 2
        while length:
            begin = len(self.shortest.choices) - length
            while begin >= 0:
                choices = self.shortest.choices
                await self._try([*choices[:begin], *choices[begin + length :]])
                begin = min(begin, len(self.shortest.choices)) - length
            length //= 2

    async def simplify(self) -> None:
        """Make single choices simpler."""
        for place, choice in enumerate(self.shortest.choices):
            for simpler in _simpler(choice):
                choices = self.shortest.choices
                if choices[place : place + 1] == [choice]:
                    await self._try([*choices[:place], simpler, *choices[place + 1 :]])

    async def _try(self, choices: Sequence[Choice]) -> None:
        if self.runs >= MOST_RUNS:
            return
        self.runs += 1
        result = await self._replay(choices)
        if result.violated & self._violated and _size(result.choices) < _size(self.shortest.choices):
            self.shortest = result


def _simpler(choice: Choice) -> Iterator[Choice]:
    plain = tuple(word for word in choice if word not in PLAIN)
    if plain != choice:
        yield plain
    if choice[0] == "place" and choice[3] != "1":
        yield (*choice[:3], "1", *choice[4:])


def _size(choices: Sequence[Choice]) -> tuple[int, int, int]:
    words = [word for choice in choices for word in choice]
    return len(choices), len(words), sum(int(word) for word in words if word.isdigit())
