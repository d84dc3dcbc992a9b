"""The choices of a schedule as words, and a schedule as a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from shop_simulate.work import Fate
from shop_stack.errors import UserError

Choice = tuple[str, ...]
"""The words of a choice, such as ("cancel", "1")."""


class Answering(StrEnum):
    """What happens to the calls of the card processor."""

    ANSWERS = ""
    LOSES = "answer-lost"
    """The processor does what it is asked for, and its answer is lost."""
    REFUSES = "unavailable"
    """The processor does nothing."""


SERVICES = ("orders", "inventory", "payments", "notifications", "analytics")
STOCK = {"mug": 3, "pen": 5}
"""SKU → pieces at the beginning. A few orders sell it out."""

_WORDS = {
    "NUMBER": r"\d{1,3}",
    "SKU": "|".join(STOCK),
    "CARD": r"tok_\w+",
    "SERVICE": "|".join(SERVICES),
    "TOPIC": r"[a-z.]+\.v\d+",
    "KEY": r"\S+",
    "JOB": r"[a-z-]+",
    "SECONDS": r"\d{1,6}",
    "FATE": "|".join(fate for fate in Fate if fate),
    "ANSWER": "|".join(answer for answer in Answering if answer),
}
FORMS = (
    "place NUMBER SKU NUMBER CARD [FATE]",
    "cancel NUMBER [FATE]",
    "price SKU NUMBER",
    "replenish SKU NUMBER",
    "relay SERVICE",
    "save SERVICE",
    "deliver SERVICE all [FATE]",
    "deliver SERVICE TOPIC KEY [FATE]",
    "redeliver SERVICE TOPIC KEY",
    "swap SERVICE TOPIC KEY",
    "job SERVICE JOB [FATE] [ANSWER]",
    "kill SERVICE",
    "wait SECONDS",
)
"""The form of each choice. Words in capitals stand for values, those in brackets may be left out."""


def _pattern(form: str) -> re.Pattern[str]:
    optional = re.sub(r" \[(\w+)\]", r"( \1)?", form)
    return re.compile(re.sub("[A-Z]+", lambda word: f"({_WORDS[word[0]]})", optional))


_PATTERNS = [_pattern(form) for form in FORMS]


def text_of(choices: Sequence[Choice]) -> str:
    """The choices as one text, for a replay."""
    return "; ".join(" ".join(choice) for choice in choices)


def choices_of(text: str) -> list[Choice]:
    """The choices in a text. Raises UserError if one has none of the FORMS, or if there is none."""
    choices = [tuple(part.split()) for part in text.split(";") if part.strip()]
    if not choices:
        raise UserError(
            "The schedule has no choice: separate choices by semicolons, as in 'place 1 mug 1 tok_ok'."
        )
    for choice in choices:
        if not any(pattern.fullmatch(" ".join(choice)) for pattern in _PATTERNS):
            raise UserError(
                f"{' '.join(choice)!r} is no choice. It has one of these forms: {'; '.join(FORMS)}."
            )
    return choices
