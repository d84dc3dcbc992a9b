"""The program that sends outboxes to Kafka while no relay does (libs/chassis/src/chassis/bridge.py)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shop_stack.errors import UserError
from shop_stack.parts import child_environment
from shop_stack.ports import SERVICES
from shop_stack.stack import Stack

LONGEST_LINE = 1024 * 1024
END_SECONDS = 10.0


class Bridge:
    """Sends windows of all outboxes of a monolith: rows that are visible in one snapshot and not in an earlier one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, since: str, until: str) -> int:
        """Send one window. Returns how many events it had, when Kafka has all of them. Raises UserError."""
        return int((await self.ask({"since": since, "until": until}))["sent"])

    async def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to one request. Raises UserError if it is an error, or if the program has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            await self._process.stdin.drain()
            answer: Mapping[str, Any] = json.loads(await self._process.stdout.readline())
        except (OSError, ValueError):
            answer = {"error": "the program that sends them has ended"}
        if "error" in answer:
            raise UserError(
                f"The events could not be sent to Kafka ({answer['error']}): see `shop logs kafka`, then try again."
            )
        return answer


@asynccontextmanager
async def running(stack: Stack, python: Path, database: str) -> AsyncIterator[Bridge]:
    """A bridge while the block runs. `stack` has Kafka, `python` is that of a group, `database` that of the monolith.

    It ends when this process ends, however that happens. It may still send the window that it has begun.
    """
    log = stack.state / "logs" / "bridge.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            str(python),
            "-m",
            "chassis.bridge",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=child_environment(),
            cwd=stack.state,
            limit=LONGEST_LINE,
            start_new_session=True,
        )
    try:
        bridge = Bridge(process)
        await bridge.ask({"modules": {name: _outbox_of(stack, name, database) for name in SERVICES}})
        yield bridge
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def _outbox_of(stack: Stack, module: str, database: str) -> Mapping[str, Any]:
    roles = stack.passwords.roles(module)
    return {
        "database": stack.server.url(database, roles.name, roles.password),
        "kafka": stack.logins.of(module).client,
    }
