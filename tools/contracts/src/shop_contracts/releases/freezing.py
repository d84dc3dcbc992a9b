"""Freezes the texts of contracts: a released text is a copy of today's text, with a number, and never changes again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from shop_contracts.contracts import SHARED, Contracts
from shop_contracts.texts import RELEASED, Text, examples_folder, file_name

MANAGEMENT = "management"
"""The API that every service has at its management port. Each release freezes it, as no single service owns it."""


def freeze_event(contracts: Contracts, type_: str) -> int:
    """Freeze the text of an event if it, or how it is delivered, differs from the last released one.

    Returns the number of the released text that is current. Raises UserError if a file is missing or damaged.
    """
    text = contracts.events[type_]
    topic = contracts.topic_of(type_)
    delivery = None if topic is None else topic.delivery
    released = contracts.released(type_)
    if released and (released[-1].schema, released[-1].delivery) == (text.schema, delivery):
        return released[-1].number
    number = len(released) + 1
    stem = _copy(text, number)
    if delivery is not None:
        stem.with_name(f"{stem.name}.topic.json").write_text(json.dumps(asdict(delivery), indent=2) + "\n")
    examples = examples_folder(text.file.parent, type_)
    target = stem.with_name(f"{stem.name}.examples")
    for example in sorted(examples.glob("*.json")):
        target.mkdir(exist_ok=True)
        shutil.copyfile(example, target / example.name)
    return number


def freeze_shared(contracts: Contracts) -> None:
    """Freeze the texts that all events share, as far as they differ from the last released ones."""
    for name in SHARED:
        text = contracts.shared[name]
        released = contracts.released(name)
        if not released or released[-1].schema != text.schema:
            _copy(text, len(released) + 1)


def _copy(text: Text, number: int) -> Path:
    """Copy a text. Returns the path of the copy without its ending, such as released/v1.2."""
    stem = text.file.parent / RELEASED / f"{file_name(text.name)}.{number}"
    stem.parent.mkdir(exist_ok=True)
    shutil.copyfile(text.file, stem.with_name(f"{stem.name}.schema.json"))
    return stem


def freeze_api(root: Path, service: str) -> int:
    """Freeze the OpenAPI document of a service, or of MANAGEMENT, if it differs from the last released one.

    Returns its number; 0 if there is no such document.
    """
    today = root / "contracts" / "openapi" / f"{service}.yaml"
    folder = today.parent / RELEASED
    number = last_number(folder.glob("*"), rf"{re.escape(service)}\.(\d+)\.yaml")
    if not today.is_file():
        return number
    last = folder / f"{service}.{number}.yaml"
    if number and last.read_bytes() == today.read_bytes():
        return number
    folder.mkdir(exist_ok=True)
    shutil.copyfile(today, folder / f"{service}.{number + 1}.yaml")
    return number + 1


def last_number(files: Iterable[Path], form: str) -> int:
    """The highest number in the names of files; 0 if no name is of this form."""
    numbers = [int(found[1]) for file in files if (found := re.fullmatch(form, file.name))]
    return max(numbers, default=0)
