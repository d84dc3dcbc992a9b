"""The service under test: one process that is started with its crash points, struck at one of them, and ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from shop_stack import parts, paths
from shop_stack.errors import UserError
from shop_stack.process import Daemon
from shop_stack.stack import Stack
from tests.crash_points.injection import ARMED, CANCEL, FREEZE, KILL, LOG, STRUCK
from tests.crash_points.nursery import MODULE, SOCKET, ask_for_process

REACH_SECONDS = 10.0
"""Seconds after its start in which a process under load must reach the armed point."""
END_SECONDS = 10.0
"""Seconds in which a killed process is gone, or a frozen one stands still."""
AFTER_SECONDS = 0.4
"""Seconds in which a process goes on after it was cancelled or thawed, before it is stopped in order."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One strike: which service, what happens to it, at which point, and at which occurrence of the point (from 1)."""

    service: str
    kind: str
    point: str
    occurrence: int = 1
    at_stop: bool = False
    """The point is only reached while the process stops. So the process is told to stop when it is ready."""

    @property
    def armed(self) -> str:
        """The value of ARMED."""
        return f"{self.kind} {self.point} {self.occurrence}"

    @property
    def title(self) -> str:
        """The trial as a line that replays it: `SERVICE KIND POINT OCCURRENCE`, and `stop` if it is at the stop."""
        return f"{self.service} {self.armed}{' stop' if self.at_stop else ''}"


def parsed(title: str) -> Trial:
    """The trial of a title. Raises UserError if the text is none."""
    service, kind, point, occurrence, *rest = [*title.split(), *("",) * 4][:6]
    words = len(title.split())
    if words not in (3, 4, 5) or kind not in (KILL, CANCEL, FREEZE) or rest[0] not in ("", "stop"):
        raise UserError(
            f"{title!r} is no trial: write 'SERVICE kill|cancel|freeze POINT', then an occurrence, then 'stop'."
        )
    if occurrence and not (occurrence.isdigit() and int(occurrence) > 0):
        raise UserError(f"{occurrence!r} in {title!r} is no occurrence: write a number from 1.")
    return Trial(service, kind, point, int(occurrence or 1), rest[0] == "stop")


@dataclass(frozen=True)
class Subject:
    """The process of one service of a stack."""

    stack: Stack
    service: str
    freeze_seconds: float

    @property
    def log(self) -> Path:
        return self.stack.state / "logs" / f"{self.service}-points.txt"

    @asynccontextmanager
    async def with_nursery(self) -> AsyncIterator[None]:
        """Have a nursery while the context lasts. `start` needs it. Raises UserError if it does not start."""
        nursery = Daemon(f"{self.service}-nursery", self.stack.state)
        environment = {
            **parts.service_environment(self.stack, self.service),
            "PYTHONPATH": f"{Path(__file__).parent / 'child'}:{paths.repository()}",
            MODULE: f"{self.service}.main",
            SOCKET: str(self._socket),
        }
        self._socket.unlink(missing_ok=True)
        command = self.stack.deployment(self.service).now.command
        nursery.start(command, env=environment, cwd=self.stack.state)
        try:
            await nursery.until_ready(
                self._has_socket,
                parts.READY_PATIENCE,
                ended=lambda: f"The nursery of {self.service} ended: {parts.last_words(nursery)}",
                late=f"The nursery of {self.service} was not ready after {parts.READY_PATIENCE:.0f} s.",
            )
            yield
        finally:
            await nursery.kill()

    @property
    def _socket(self) -> Path:
        return self.stack.state / "run" / f"{self.service}-nursery.sock"

    async def _has_socket(self) -> bool:
        return self._socket.exists()

    async def start(self, armed: str = "") -> None:
        """Start the process with its points. Returns when it is ready. Raises UserError if it ends before."""
        self.log.write_text("")
        deployment = self.stack.deployment(self.service)
        (self.stack.state / deployment.handover_socket).unlink(missing_ok=True)
        environment = {
            **parts.service_environment(self.stack, self.service, deployment),
            "HTTP_HANDOVER_SOCKET": deployment.handover_socket,
            LOG: str(self.log),
            ARMED: armed,
        }
        pid = await asyncio.to_thread(ask_for_process, self._socket, environment)
        try:
            self.stack.daemon(self.service).adopt(pid)
        except OSError:
            raise UserError(f"{self.service} ended right after its start.") from None
        await parts.ready(self.stack, self.service)

    async def start_without_points(self) -> None:
        """Start the process as users do."""
        await parts.start_service(self.stack, self.service)

    def reached(self) -> Counter[str]:
        """Point → how often the process has reached it since its start."""
        return Counter(line for line in self.log.read_text().splitlines() if not line.startswith(STRUCK))

    @property
    def is_struck(self) -> bool:
        return any(line.startswith(STRUCK) for line in self.log.read_text().splitlines())

    async def end(self) -> bool:
        """Let it go on if it is frozen, and stop it in order. Returns whether it had to be killed."""
        self.stack.daemon(self.service).send(signal.SIGCONT)
        return await self.stack.daemon(self.service).stop()

    async def undergo(self, trial: Trial) -> bool:
        """Start the process, strike, and end it. Returns whether the strike was seen.

        Raises UserError if the process does not start, or the strike has no effect.
        """
        self.log.unlink(missing_ok=True)  # that of the last trial has a strike
        starting = asyncio.create_task(self.start(trial.armed))
        try:
            struck = await self._until_struck(starting, trial)
            if struck:
                await self._see_and_undo(trial.kind)
            return struck
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self.end()

    async def _until_struck(self, starting: asyncio.Task[None], trial: Trial) -> bool:
        """Wait for the strike, for REACH_SECONDS seconds after the process was ready."""
        daemon = self.stack.daemon(self.service)
        given_up: float | None = None
        while True:
            runs = not starting.done() or daemon.process() is not None
            if self.log.exists() and self.is_struck:
                return True
            if starting.done():
                starting.result()
                if given_up is None:
                    given_up = time.monotonic() + REACH_SECONDS
                    if trial.at_stop:
                        daemon.send(signal.SIGTERM)
                if not runs or time.monotonic() > given_up:
                    return False
            await asyncio.sleep(0.02)

    async def _see_and_undo(self, kind: str) -> None:
        """See the effect of the strike. Then wait as long as the kind of the strike needs.

        Raises UserError if the strike had no effect.
        """
        daemon = self.stack.daemon(self.service)
        deadline = time.monotonic() + END_SECONDS
        if kind == KILL:
            while daemon.process() is not None:
                self._require(deadline, "was killed, and runs")
                await asyncio.sleep(0.02)
            return
        if kind == FREEZE:
            while (found := daemon.process()) is None or found.status() != psutil.STATUS_STOPPED:
                self._require(deadline, "was frozen, and does not stand still")
                await asyncio.sleep(0.02)
            await asyncio.sleep(self.freeze_seconds)
            daemon.send(signal.SIGCONT)
        await asyncio.sleep(AFTER_SECONDS)

    def _require(self, deadline: float, fault: str) -> None:
        if time.monotonic() > deadline:
            raise UserError(
                f"{self.service} {fault} after {END_SECONDS:.0f} s: see `shop logs {self.service}`."
            )
