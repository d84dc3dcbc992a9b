"""Runs subcommands of `shop` that need more memory than this server may have, or look where it may not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from shop_stack.connect import VARIABLE, TargetKind
from shop_stack.errors import UserError
from shop_stack.target import Target

SECONDS = 180.0
LEAVE_SECONDS = 10.0
"""A subcommand that is not wanted any more gets Ctrl-C, and so long to undo what it has begun."""
MOST_OUTPUT = 1_000_000
"""Bytes of the output that are kept."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one subcommand."""

    code: int
    out: str
    error: str


async def shop(target: Target, *arguments: str, seconds: float = SECONDS) -> Ended:
    """Run `shop` with these arguments against this shop.

    Raises UserError if it takes too long, and for a target that no command knows: a floor in a container.
    """
    if target.name not in set(TargetKind):
        raise UserError(
            f"This floor runs {target.name} the shop: `shop {arguments[0]}` runs on your machine only."
        )
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shop", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, VARIABLE: target.name, "SHOP_STATE": str(state_of(target)), "NO_COLOR": "1"},
    )
    try:
        async with asyncio.timeout(seconds):
            out, error = await program.communicate()
    except TimeoutError:
        raise UserError(f"`shop {' '.join(arguments)}` took longer than {seconds:.0f} s.") from None
    finally:
        await leave(program)
    return Ended(program.returncode or 0, shortened(out), shortened(error))


async def leave(program: asyncio.subprocess.Process) -> None:
    """Return when a subcommand has ended. One that goes on gets Ctrl-C, and later a kill."""
    if program.returncode is not None:
        return
    program.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            # Its output is read: a program whose pipe is full would not end.
            await program.communicate()
    except TimeoutError:
        program.kill()
        await program.wait()


def state_of(target: Target) -> Any:
    """The folder that SHOP_STATE names: a shop that runs elsewhere has its files in a folder below it."""
    return target.state if target.name == "embedded" else target.state.parent


def shortened(output: bytes) -> str:
    return output[:MOST_OUTPUT].decode(errors="replace")


async def labs(target: Target) -> list[dict[str, Any]]:
    """The labs, as `shop lab list` prints them. Raises UserError."""
    return list(read(await shop(target, "lab", "list", "--json")))


async def check_lab(target: Target, name: str) -> dict[str, Any]:
    """Whether a lab is done, or what is missing. Raises UserError if there is no such lab."""
    if name not in {lab["name"] for lab in await labs(target)}:
        raise UserError(f"There is no lab {name!r}.")
    ended = await shop(target, "lab", "check", name)
    return {"done": ended.code == 0, "told": (ended.out + ended.error).strip().removeprefix("shop: ")}


async def ask_oracle(target: Target) -> dict[str, Any]:
    """The oracle's verdict on the shop: it is a program of its own, which also reads the databases."""
    return dict(read(await shop(target, "check", "--wait", "30s", "--json")))


def read(ended: Ended) -> Any:
    """The JSON that a subcommand has printed. Raises UserError with its error if there is none."""
    try:
        return json.loads(ended.out)
    except ValueError:
        raise UserError(sentence_of(ended)) from None


def sentence_of(ended: Ended) -> str:
    """Why a subcommand has failed."""
    return ended.error.strip().removeprefix("shop: ") or "The command printed nothing."
