"""Operating-system processes that outlive the command that started them.

A process is known by its pid file, which holds the time of its start too: a
number alone might belong to another process since. Where there is /proc, that
time is counted from the start of the machine: the clock may be set.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from shop_stack import boot_time
from shop_stack.boot_time import BOOT
from shop_stack.errors import UserError

KILL_PATIENCE = 20.0
"""Seconds that a killed process may take to end: on a busy machine its last threads may have to wait for the CPU."""

_children: dict[int, subprocess.Popen[bytes]] = {}
"""The processes that this process has started. They are kept so that their zombies can be reaped."""


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    user: int | None = None,
) -> tuple[int, str]:
    """Run a command to its end. Returns (exit code, its output). It is killed if the caller is cancelled."""
    child = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=dict(env),
        pass_fds=pass_fds,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output = (await child.communicate())[0].decode(errors="replace").strip()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode is not None
    return child.returncode, output


@dataclass(frozen=True)
class Resources:
    """The memory and CPU time of a process and its children."""

    resident: int
    """Resident memory in bytes (RSS): a shared page counts in each process."""
    proportional: int
    """Proportional memory in bytes (PSS): a shared page is divided among its processes, so sums are correct."""
    cpu_seconds: float


@dataclass(frozen=True)
class Daemon:
    """A named background process of one state folder."""

    name: str
    state: Path
    log_of: str = ""
    """The name of the process to whose log it appends its output; its own, if none is given."""

    @property
    def log(self) -> Path:
        return self.state / "logs" / f"{self.log_of or self.name}.log"

    @property
    def pid_file(self) -> Path:
        return self.state / "run" / f"{self.name}.json"

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        user: int | None = None,
    ) -> int:
        """Start the process in a session of its own, so that Ctrl-C does not reach it. Returns its pid.

        Its output is appended to its log. `user` is the id of the user and of the group that it runs as.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        _children[child.pid] = child
        try:
            self.adopt(child.pid)
        except BaseException:
            # No command would find it again, as when the disk is full.
            child.kill()
            child.wait()
            raise
        return child.pid

    def adopt(self, pid: int) -> None:
        """Record a process as this daemon. `start` has started it, or another process of this program."""
        facts = {"pid": pid, "started": boot_time.started(pid, BOOT), "boot": BOOT}
        written = self.pid_file.with_suffix(".new")
        written.write_text(json.dumps(facts))
        written.replace(self.pid_file)

    async def until_ready(
        self,
        is_ready: Callable[[], Awaitable[bool]],
        patience: float,
        *,
        ended: Callable[[], str],
        late: str,
    ) -> None:
        """Return when `is_ready()` is true.

        Raises UserError with `ended()` if the process ends first, with `late` after `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while not await is_ready():
            if self.process() is None:
                raise UserError(ended())
            if time.monotonic() > deadline:
                raise UserError(late)
            await asyncio.sleep(0.05)

    def process(self) -> psutil.Process | None:
        """The running process; None if it was never started or has ended."""
        try:
            facts = json.loads(self.pid_file.read_text())
            found = psutil.Process(facts["pid"])
            began = boot_time.started(found.pid, facts.get("boot"))
            if began is None or abs(began - facts["started"]) > 1 or _is_over(found):
                return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, psutil.Error):
            return None
        return found

    @property
    def pid(self) -> int | None:
        found = self.process()
        return None if found is None else found.pid

    def uptime(self) -> float | None:
        """Seconds since its start; None if it does not run."""
        found = self.process()
        return None if found is None else time.time() - found.create_time()

    def resources(self) -> Resources | None:
        """The resources that it and all its children use now; None if it does not run."""
        found = self.process()
        return None if found is None else _resources_of(found)

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if (pid := self.pid) is not None:
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                pass  # The process has just ended.

    async def stop(self, sign: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> bool:
        """Send a signal, and kill the process if it runs after `patience` seconds. Returns whether it was killed."""
        running = self.process()
        self.send(sign)
        killed = False
        if running is not None and not await self._ended(patience):
            await _kill_family(running)
            killed = True
        self._forget()
        return killed

    async def kill(self) -> None:
        """Kill the process and its children at once, as in a crash."""
        if (running := self.process()) is not None:
            await _kill_family(running)
        self._forget()

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log; empty if there is no log."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(max(0, self.log.stat().st_size - 400 * lines))
                text = stream.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    async def _ended(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while self.process() is not None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _forget(self) -> None:
        self.pid_file.unlink(missing_ok=True)
        for pid, child in list(_children.items()):
            if child.poll() is not None:
                del _children[pid]


async def _kill_family(running: psutil.Process) -> None:
    """Kill a process and all its descendants, and wait until all have ended, at most KILL_PATIENCE seconds."""
    try:
        # A suspended process cannot start another child before it is killed.
        running.suspend()
        family = [running, *running.children(recursive=True)]
    except psutil.Error:
        family = [running]
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            pass  # It has ended already.
    deadline = time.monotonic() + KILL_PATIENCE
    for member in family:
        while _is_alive(member):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.02)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and not _is_over(process)
    except psutil.Error:
        return False


def _is_over(process: psutil.Process) -> bool:
    """Whether the process has ended completely. While threads of a zombie are still ending, its ports are in use."""
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1


def _resources_of(process: psutil.Process) -> Resources:
    resident = proportional = 0
    cpu = 0.0
    for member in [process, *_children_of(process)]:
        try:
            rss = member.memory_info().rss
            times = member.cpu_times()
        except psutil.Error:
            continue
        resident += rss
        proportional += _proportional(member.pid, rss)
        cpu += times.user + times.system
    return Resources(resident, proportional, cpu)


def _children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _proportional(pid: int, otherwise: int) -> int:
    """The PSS from /proc in bytes (Linux); on another system `otherwise`."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return otherwise
