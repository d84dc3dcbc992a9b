"""One database goes back to a time on a real server, and the other databases stay as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shop_stack import archive, embedded, parts, recovery
from shop_stack.errors import UserError
from shop_stack.stack import Stack
from testkit import eventually

pytestmark = pytest.mark.long

MAKE = "CREATE TABLE kept (number int); ALTER TABLE kept OWNER TO {0}_owner"


@pytest.fixture
async def stack(tmp_path: Path, base: int) -> AsyncIterator[Stack]:
    """A stack with an archive and two databases. Only PostgreSQL runs."""
    stack = embedded.stack(tmp_path / "state", base, services=("orders", "payments"))
    archive.switch_on(stack)
    await embedded.start(stack, "postgres")
    await parts.provision_databases(stack)
    for service in stack.services:
        async with stack.server.connected(service) as connection:
            await connection.execute(MAKE.format(service))
    yield stack
    await embedded.down(stack, wipe=True)
    assert not (stack.state / archive.FOLDER).exists()


async def add(stack: Stack, service: str, number: int) -> None:
    async with stack.server.connected(service) as connection:
        await connection.execute("INSERT INTO kept VALUES ($1)", number)


async def kept(stack: Stack, database: str) -> list[int]:
    async with stack.server.connected(database) as connection:
        return [row[0] for row in await connection.fetch("SELECT number FROM kept ORDER BY 1")]


async def now_restorable(backup: archive.Backup) -> datetime:
    """A time from which on the backup serves: the name of a backup has whole seconds."""

    async def is_later() -> None:
        assert datetime.now(UTC) > backup.ended_at

    await eventually(is_later)
    return datetime.now(UTC)


async def test_one_database_goes_back_and_the_others_stay(stack: Stack) -> None:
    await add(stack, "orders", 1)
    backup = await archive.back_up(stack)
    to = await now_restorable(backup)
    for service in stack.services:
        await add(stack, service, 2)

    steps: list[str] = []
    await recovery.copy_of_database(stack, "orders", "orders_restored", backup, to, steps.append)
    assert await kept(stack, "orders") == [1, 2]
    for _ in range(2):  # the databases change their names, and an older former one is deleted
        await recovery.swap(stack.server, "orders", "orders_restored", "orders_former")
        assert (await kept(stack, "orders"), await kept(stack, "orders_former")) == ([1], [1, 2])
        await recovery.swap(stack.server, "orders", "orders_former", "orders_restored")
    assert await kept(stack, "payments") == [2]
    assert len(steps) == 3
    assert not (stack.state / recovery.FOLDER).exists()
    assert stack.daemon(recovery.DAEMON).process() is None

    roles = stack.passwords.roles("orders")
    async with stack.server.connected("orders_restored") as connection:
        owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'kept'"
        assert await connection.fetchval(owner) == roles.owner
        may_enter = "SELECT has_database_privilege('payments', 'orders_restored', 'CONNECT')"
        assert await connection.fetchval(may_enter) is False


async def test_what_was_committed_just_before_the_time_is_there(stack: Stack) -> None:
    backup = await archive.back_up(stack)
    await now_restorable(backup)
    await add(stack, "orders", 1)
    to = datetime.now(UTC)
    await recovery.copy_of_database(stack, "orders", "orders_restored", backup, to, lambda _: None)
    assert await kept(stack, "orders_restored") == [1]


async def test_a_damaged_archive_leaves_the_database_and_no_second_server(stack: Stack) -> None:
    backup = await archive.back_up(stack)
    to = await now_restorable(backup)
    (backup.folder / "backup_label").unlink()
    (backup.folder / "global" / "pg_control").unlink()
    with pytest.raises(UserError, match="PostgreSQL ended right after its start"):
        await recovery.copy_of_database(stack, "orders", "orders_restored", backup, to, lambda _: None)
    assert await kept(stack, "orders") == []
    assert stack.daemon(recovery.DAEMON).process() is None


async def test_the_newest_backups_are_kept_and_the_wal_since_the_oldest_of_them(stack: Stack) -> None:
    for days in range(1, 4):
        moment = datetime.now(UTC) - timedelta(days=days)
        (archive.bases_folder(stack) / moment.strftime(archive.NAME)).mkdir()
    for folder in archive.bases_folder(stack).iterdir():
        label = "START WAL LOCATION: 0/0 (file 000000010000000000000003)"
        (folder / "backup_label").write_text(label)
    for segment in ("000000010000000000000002", "000000010000000000000009"):
        (archive.wal_folder(stack) / segment).touch()
    newest = await archive.back_up(stack)
    assert len(archive.backups(stack)) == archive.KEPT
    assert archive.backups(stack)[-1] == newest
    names = {path.name for path in archive.wal_folder(stack).iterdir()}
    assert "000000010000000000000002" not in names
    assert "000000010000000000000009" in names


async def test_a_server_that_was_started_before_the_archive_must_be_restarted(
    tmp_path: Path, base: int
) -> None:
    stack = embedded.stack(tmp_path / "state", base, services=())
    try:
        await embedded.start(stack, "postgres")
        with pytest.raises(UserError, match="`shop up --archive` switches it on"):
            await archive.back_up(stack)
        archive.switch_on(stack)
        with pytest.raises(UserError, match="`shop restart postgres`"):
            await archive.back_up(stack)
        await embedded.stop(stack, "postgres")
        with pytest.raises(UserError, match="`shop start postgres`"):
            await archive.back_up(stack)
    finally:
        await embedded.down(stack, wipe=True)
