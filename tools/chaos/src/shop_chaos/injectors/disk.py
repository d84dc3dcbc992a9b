"""A disk that is full."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_chaos.injectors import logs
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_stack import embedded
from shop_stack.command_output import last_line
from shop_stack.errors import UserError
from shop_stack.process import run
from shop_stack.stack import POSTGRES
from shop_stack.unprivileged import NOBODY

SPARE_BYTES = 64 * 1024**2
PAGE_BYTES = 4096
BACK_SECONDS = 20.0
CAP_SYS_ADMIN = 1 << 21
"""The capability to mount, in the line CapEff of /proc/self/status."""


@dataclass
class DiskFull(Injector):
    """Move PostgreSQL's data to a small volume and leave no byte free on it. At the end the data moves back."""

    async def before(self, on: System) -> dict[str, Any]:
        return {"log": logs.size(on.stack.daemon(POSTGRES))}

    async def inject(self, on: System) -> None:
        volume = Volume(on.stack.state / "postgres")
        await embedded.stop(on.stack, POSTGRES)
        await volume.mount()
        await embedded.start(on.stack, POSTGRES)
        await _services_are_back(on)
        volume.fill()

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        words = "No space left on device"
        return {"statements refused": logs.count(on.stack.daemon(POSTGRES), before["log"], words)}

    async def heal(self, on: System) -> None:
        volume = Volume(on.stack.state / "postgres")
        volume.free()
        await embedded.stop(on.stack, POSTGRES)
        await volume.unmount()
        await embedded.start(on.stack, POSTGRES)


@dataclass(frozen=True)
class Volume:
    """The folder of PostgreSQL's data, which becomes a small volume in memory (tmpfs), and later a folder again."""

    data: Path

    async def mount(self) -> None:
        """Make the folder a small volume with the same files. Nothing may have them open."""
        sizes = (file.stat().st_size for file in self.data.rglob("*") if file.is_file())
        size = SPARE_BYTES + sum(-(-each // PAGE_BYTES) * PAGE_BYTES for each in sizes)
        self.data.rename(self._kept)
        self.data.mkdir(mode=0o700)
        options = f"size={size},mode=0700,uid={NOBODY},gid={NOBODY}"
        await _command("mount", "-t", "tmpfs", "-o", options, "shopfloor-chaos", str(self.data))
        await _command("cp", "-a", f"{self._kept}/.", str(self.data))
        self._complete.touch()

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(self.data).free)

    def free(self) -> None:
        """Delete the file that fills the volume."""
        self._ballast.unlink(missing_ok=True)

    async def unmount(self) -> None:
        """Make the volume a folder again, with its present files. It continues what an earlier call had begun."""
        if self.data.is_mount():
            if self._complete.exists():
                draft = self._beside("draft")
                shutil.rmtree(draft, ignore_errors=True)
                await _command("cp", "-a", str(self.data), str(draft))
                shutil.rmtree(self._kept, ignore_errors=True)
                draft.rename(self._kept)
                self._complete.unlink()
            await _command("umount", str(self.data))
        if self._kept.exists():
            if self.data.exists():
                self.data.rmdir()
            self._kept.rename(self.data)

    @property
    def _kept(self) -> Path:
        """The files from before, and at the end those of the volume."""
        return self._beside("kept")

    @property
    def _complete(self) -> Path:
        """A file that says that the volume has all files."""
        return self._beside("complete")

    @property
    def _ballast(self) -> Path:
        return self.data / "ballast"

    def _beside(self, ending: str) -> Path:
        return self.data.with_name(f"{self.data.name}.{ending}")


async def _services_are_back(on: System) -> None:
    """Return when each service that runs has a connection again, so that statements fail and not only connections.

    After BACK_SECONDS it returns all the same.
    """
    running = {name for name in on.stack.services if on.stack.daemon(name).process() is not None}
    with suppress(TimeoutError):
        async with asyncio.timeout(BACK_SECONDS), on.stack.server.connected() as database:
            while True:
                sessions = await database.fetch("SELECT usename FROM pg_stat_activity")
                if running <= {session["usename"] for session in sessions}:
                    return
                await asyncio.sleep(0.2)


def may_mount() -> bool:
    """Whether this process may mount a volume."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return any(int(line.split()[1], 16) & CAP_SYS_ADMIN for line in lines if line.startswith("CapEff:"))


async def _command(*argv: str) -> None:
    code, output = await run(argv, env=os.environ)
    if code != 0:
        raise UserError(f"`{' '.join(argv)}` failed: {last_line(output, str(code))}")
