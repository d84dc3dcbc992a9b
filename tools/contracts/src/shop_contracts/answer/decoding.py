"""A release reads messages, with its own decoder in its own environment. Each outcome is kept."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shop_contracts.answer import decoder, kept
from shop_contracts.answer.stored import Group, Message
from shop_contracts.answer.workplace import environment
from shop_contracts.releases.checkout import checkout
from shop_contracts.releases.environment import python_of
from shop_contracts.releases.model import Release
from shop_stack.errors import UserError

FORM = "messages-1"
"""The form of the kept outcomes. It changes where the same message could have another outcome."""
FIELD = re.compile(r"^([A-Za-z0-9_.]+): ")
FIELDS_OF_REASONS = {
    "unknown-type": "ce_type",
    "bad-subject": "ce_subject",
    "bad-key": "key",
    "no-headers": "ce_type",
    "no-data": "",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason for which a release cannot read a message."""

    reason: str
    """A slug, such as ``schema-violation``."""
    detail: str

    @property
    def field(self) -> str:
        """The first field that is wrong; empty if the detail names none."""
        if self.reason == "schema-violation" and (found := FIELD.match(self.detail)):
            return found[1]
        if self.reason.startswith(("no-", "bad-")) and self.reason not in FIELDS_OF_REASONS:
            return f"ce_{self.reason.partition('-')[2]}"
        return FIELDS_OF_REASONS.get(self.reason, "")


Outcome = Refusal | None
Read = Callable[[Path, Release, Sequence[Message]], Awaitable[list[Outcome]]]


async def read_all(
    root: Path, release: Release, groups: Sequence[Group], read: Read | None = None
) -> list[Outcome]:
    """The outcome of the first message of each group, in their order. None: the release reads it or ignores its type.

    Raises UserError if the release's code cannot be had or cannot be run.
    """
    key = kept.key_of(
        [FORM, release.service, release.trees.service, release.trees.chassis, release.lock.sha256]
    )
    known: dict[str, dict[str, str] | None] = kept.load(root, key) or {}
    names = [kept.key_of([group.first.topic, group.first.type, group.shape]) for group in groups]
    new = {name: group for name, group in zip(names, groups, strict=True) if name not in known}
    if new:
        found = await (read or run_decoder)(root, release, [group.first for group in new.values()])
        outcomes = zip(new, found, strict=True)
        known |= {name: None if outcome is None else asdict(outcome) for name, outcome in outcomes}
        kept.keep(root, key, known)
    facts = [known[name] for name in names]
    return [None if one is None else Refusal(**one) for one in facts]


async def run_decoder(root: Path, release: Release, messages: Sequence[Message]) -> list[Outcome]:
    """Have the release read each message. It is given them over its standard input. Raises UserError if it fails."""
    folder = await checkout(release, root)
    python = await python_of(release, folder)
    child = await asyncio.create_subprocess_exec(
        *(str(python), decoder.__file__, release.service),
        cwd=folder,
        env={**environment(), "OTEL_SDK_DISABLED": "true"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await child.communicate(json.dumps([_facts(message) for message in messages]).encode())
    if child.returncode != 0:
        said = " ".join(errors.decode(errors="replace").split())[-300:]
        raise UserError(f"The code of {release.service} {release.version} could not read messages: {said}")
    return [None if one is None else Refusal(one["reason"], one["detail"]) for one in json.loads(output)]


def _facts(message: Message) -> dict[str, object]:
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "key": _base64(message.key),
        "value": _base64(message.value),
        "headers": [[name, _base64(value)] for name, value in message.headers],
    }


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()
