"""The archive of a stack: base backups of its PostgreSQL server, and the WAL that the server has written since.

The folder `archive` of the stack switches it on. From its next start the server copies each full WAL segment into it.
A base backup and the segments after it give the databases as they were at any time since (`shop_stack.recovery`).
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shop_stack import paths, postgres, postgres_programs, unprivileged
from shop_stack.command_output import last_line
from shop_stack.errors import UserError
from shop_stack.postgres import WalFolder
from shop_stack.process import run
from shop_stack.stack import POSTGRES, Stack

FOLDER = "archive"
KEPT = 3
"""So many base backups are kept, the newest ones, and the WAL since the oldest of them."""
NAME = "%Y%m%dT%H%M%SZ"
_START = re.compile(r"START WAL LOCATION: .* \(file ([0-9A-F]{24})\)")


@dataclass(frozen=True, order=True)
class Backup:
    """A base backup. It can be brought to any time from `ended_at` on."""

    ended_at: datetime
    folder: Path


def switch_on(stack: Stack) -> None:
    """Create the folder of the archive. The server uses it from its next start. Idempotent."""
    paths.make_private(stack.state)
    for folder in (wal_folder(stack), bases_folder(stack)):
        folder.mkdir(parents=True, exist_ok=True)
    unprivileged.give(wal_folder(stack))


def is_on(stack: Stack) -> bool:
    """Whether the stack has an archive."""
    return wal_folder(stack).is_dir()


async def is_used(stack: Stack) -> bool:
    """Whether the running server archives its WAL."""
    async with stack.server.connected() as connection:
        return bool(await connection.fetchval("SHOW archive_mode") == "on")


def wal_folder(stack: Stack) -> Path:
    return stack.state / FOLDER / "wal"


def bases_folder(stack: Stack) -> Path:
    return stack.state / FOLDER / "base"


def to_write(stack: Stack) -> WalFolder | None:
    """The archive as the server of a stack writes it; None if it has none."""
    return WalFolder(wal_folder(stack), _writing) if is_on(stack) else None


def to_read(stack: Stack) -> WalFolder:
    """The archive as a server reads it that is brought to an earlier time."""
    return WalFolder(wal_folder(stack), lambda path: {"restore_command": f"cp {_quoted(path)}/%f %p"})


def _writing(path: str) -> Mapping[str, str]:
    target = _quoted(path)
    return {
        "wal_level": "replica",
        "max_wal_senders": "4",
        "archive_mode": "on",
        # A copy that was interrupted must not look like a segment.
        "archive_command": f"cp %p {target}/%f.new && mv {target}/%f.new {target}/%f",
    }


def _quoted(path: str) -> str:
    return shlex.quote(path).replace("%", "%%")


def backups(stack: Stack) -> list[Backup]:
    """The base backups, oldest first."""
    found = []
    for folder in bases_folder(stack).glob("*Z"):
        with suppress(ValueError):
            found.append(Backup(datetime.strptime(folder.name, NAME).replace(tzinfo=UTC), folder))
    return sorted(found)


async def back_up(stack: Stack) -> Backup:
    """Take a base backup of the running server, and delete what is older than the KEPT newest ones.

    Raises UserError if the stack has no archive, if the server does not use it yet, or if the backup fails.
    """
    require_on(stack)
    require_running(stack, POSTGRES)
    if not await is_used(stack):
        raise UserError(
            "PostgreSQL was started without the archive: `shop restart postgres`, then try again."
        )
    draft = bases_folder(stack) / "unfinished"
    shutil.rmtree(draft, ignore_errors=True)
    server = stack.server
    argv = [str(postgres_programs.binaries() / "pg_basebackup"), "--pgdata", str(draft)]
    argv += ["--wal-method=stream", "--checkpoint=fast", "--no-password", "--no-sync"]
    argv += ["--host", server.host, "--port", str(server.port), "--username", server.superuser]
    code, output = await run(argv, env={**postgres.environment(), "PGPASSWORD": server.password})
    if code != 0:
        raise UserError(f"The backup failed ({last_line(output)}): see `shop status` and `shop doctor`.")
    # The name has whole seconds. A time within the last second of the backup is not served.
    ended_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    backup = Backup(ended_at, draft.rename(bases_folder(stack) / ended_at.strftime(NAME)))
    _prune(stack)
    return backup


def require_on(stack: Stack) -> None:
    """Raise UserError if the stack has no archive."""
    if not is_on(stack):
        raise UserError(
            "This shop keeps no backup: `shop up --archive` switches it on, from now on. "
            "A time before that cannot be restored."
        )


def require_running(stack: Stack, part: str) -> None:
    """Raise UserError if a part of the stack does not run."""
    if stack.daemon(part).process() is None:
        raise UserError(f"{part} does not run, and it is needed: `shop start {part}` starts it.")


def backup_before(stack: Stack, to: datetime) -> Backup:
    """The newest base backup that can be brought to a time. Raises UserError if there is none."""
    found = backups(stack)
    if not found:
        raise UserError("There is no base backup yet, so no time can be restored: `shop backup` takes one.")
    fitting = [backup for backup in found if backup.ended_at <= to]
    if not fitting:
        raise UserError(
            f"{_shown(to)} is before the oldest base backup: choose a time from {_shown(found[0].ended_at)} on."
        )
    return fitting[-1]


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _prune(stack: Stack) -> None:
    found = backups(stack)
    for backup in found[:-KEPT]:
        shutil.rmtree(backup.folder, ignore_errors=True)
    oldest = found[-KEPT:][0]
    if start := _START.search((oldest.folder / "backup_label").read_text()):
        for segment in wal_folder(stack).iterdir():
            # The names of segments grow with the WAL. A file of a backup begins with the name of its segment.
            if segment.name[:24] < start[1]:
                segment.unlink(missing_ok=True)
