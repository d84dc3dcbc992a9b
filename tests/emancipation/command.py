"""`shop emancipate` as a person runs it, and the same killed with SIGKILL after one of its steps."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shop_stack.emancipation import journal
from shop_stack.stack import Stack

PATIENCE = 300.0
LOOK_SECONDS = 0.005


async def emancipate(stack: Stack, *arguments: str) -> Mapping[str, Any]:
    """Run the command to its end. Returns what `--json` prints. Fails if its exit code is not 0."""
    command = await _start(stack, *arguments, "--json")
    output, errors = await asyncio.wait_for(command.communicate(), PATIENCE)
    assert command.returncode == 0, errors.decode()
    printed: Mapping[str, Any] = json.loads(output)
    return printed


async def killed_after(stack: Stack, step: str, *arguments: str) -> journal.Journal:
    """Start the command, and kill it with SIGKILL as soon as its journal says that a step is done.

    Returns the journal that it has left.
    """
    return await killed_when(stack, lambda kept: step in kept.done, *arguments)


async def killed_when(
    stack: Stack, is_time: Callable[[journal.Journal], bool], *arguments: str
) -> journal.Journal:
    """Start the command, and kill it with SIGKILL when `is_time` says so. Returns the journal that it has left."""
    command = await _start(stack, *arguments)
    deadline = time.monotonic() + PATIENCE
    while (kept := journal.read(stack.state)) is None or not is_time(kept):
        assert command.returncode is None, "the command has ended before it could be killed"
        assert time.monotonic() < deadline, kept
        await asyncio.sleep(LOOK_SECONDS)
    command.send_signal(signal.SIGKILL)
    await command.wait()
    left = journal.read(stack.state)
    assert left is not None
    return left


async def _start(stack: Stack, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shop.cli",
        "emancipate",
        *arguments,
        env=_environment(stack.state),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def _environment(state: Path) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if name != "SHOP_PORT_BASE"}
    return {**others, "SHOP_STATE": str(state), "SHOP_TARGET": "embedded"}
