"""The texts of contracts/: the schema of an event today, and each text of it that was released."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_stack.errors import UserError

Schema = Mapping[str, Any]

RELEASED = "released"
"""The folder beside a text that has the texts of it that were released."""
_RELEASED_TEXT = re.compile(r"(?P<name>.+)\.(?P<number>[1-9][0-9]*)\.schema\.json")


@dataclass(frozen=True)
class Delivery:
    """How an event is delivered: its readers rely on it as they rely on its schema."""

    topic: str
    key: str
    partitions: int
    cleanup_policy: str


@dataclass(frozen=True)
class Text:
    """A schema of today with its examples (file name → data). `name` is the event's type, or that of a shared text."""

    name: str
    file: Path
    schema: Schema
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReleasedText:
    """A text as it was released. `number` counts the released texts of one name from 1.

    `examples` are messages of that text. A topic, an outbox or a dead letter may still hold such a message.
    `delivery` is None for a text that all events share.
    """

    name: str
    number: int
    file: Path
    schema: Schema
    examples: Mapping[str, Any] = field(default_factory=dict)
    delivery: Delivery | None = None


def file_name(name: str) -> str:
    """The name of a text's file without `.schema.json`: `v1` of `orders.order-placed.v1`, else the name itself."""
    return name.rpartition(".")[2]


def examples_folder(folder: Path, name: str) -> Path:
    """The folder with the examples of an event of today. Those of a second version are in examples/v2."""
    version = file_name(name)
    return folder / "examples" if version == "v1" else folder / "examples" / version


def read_text(folder: Path, name: str, with_examples: bool = True) -> Text:
    """The text of today in a folder. Raises UserError if a file is missing or no JSON."""
    file = folder / f"{file_name(name)}.schema.json"
    examples = read_examples(examples_folder(folder, name)) if with_examples else {}
    return Text(name, file, read_json(file), examples)


def read_released(folder: Path, name: str) -> list[ReleasedText]:
    """The released texts of a name, by their numbers. `folder` is that of the text of today. Raises UserError."""
    found = []
    for file in sorted((folder / RELEASED).glob("*.schema.json")):
        match = _RELEASED_TEXT.fullmatch(file.name)
        if match is None:
            raise UserError(f"{file} is no released text: it must be named like v1.1.schema.json.")
        if match["name"] == file_name(name):
            found.append(_released_text(name, int(match["number"]), file))
    found.sort(key=lambda text: text.number)
    numbers = [text.number for text in found]
    if numbers != list(range(1, len(numbers) + 1)):
        raise UserError(
            f"The released texts of {name} have the numbers {numbers}, with a gap: a released text is never "
            "deleted or renamed. Take it back out of git."
        )
    return found


def _released_text(name: str, number: int, file: Path) -> ReleasedText:
    stem = file.name.removesuffix(".schema.json")
    delivery_file = file.with_name(f"{stem}.topic.json")
    delivery = read_delivery(delivery_file) if "." in name else None
    examples = read_examples(file.with_name(f"{stem}.examples"))
    return ReleasedText(name, number, file, read_json(file), examples, delivery)


def read_delivery(file: Path) -> Delivery:
    """The delivery of a released text. Raises UserError if the file is missing, no JSON, or was changed by hand."""
    try:
        return Delivery(**read_json(file))
    except TypeError as error:
        raise UserError(
            f"{file} does not say how the event was delivered ({error}): take it back out of git."
        ) from None


def read_examples(folder: Path) -> dict[str, Any]:
    """File name → data of each example in a folder. Raises UserError if one is no JSON."""
    return {file.name: read_json(file) for file in sorted(folder.glob("*.json"))}


def read_json(file: Path) -> Any:
    """The content of a JSON file. Raises UserError if it is missing, or no JSON."""
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        raise UserError(f"{file} is missing: take it back out of git, or write it.") from None
    except ValueError as error:
        raise UserError(f"{file} is no JSON ({error}): correct it.") from None
