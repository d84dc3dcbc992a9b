"""The stack in a folder that only its owner may enter, as /root is: PostgreSQL runs there without any capability."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shop_stack import embedded, paths, postgres_programs, unprivileged
from shop_stack.errors import UserError
from shop_stack.stack import Stack

pytestmark = pytest.mark.long


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of mode 0700 with the PostgreSQL programs in it, as a clone under /root has them."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    installed = postgres_programs.binaries().parents[2]
    for needed in postgres_programs.NEEDED:
        shutil.copytree(installed / needed, folder / "environment" / needed, copy_function=os.link)
    found = folder / "environment" / postgres_programs.DISTRIBUTION / "bin"
    monkeypatch.setattr(postgres_programs, "binaries", lambda: found)
    return folder


@pytest.fixture
async def stack(private: Path, base: int) -> AsyncIterator[Stack]:
    """A stack without services in the private folder."""
    stack = embedded.stack(private / "state", base, services=())
    yield stack
    await embedded.down(stack, wipe=True)


def copies() -> set[Path]:
    """Copies of the PostgreSQL programs on this machine."""
    return {path for place in postgres_programs.PLACES for path in place.glob("shopfloor-postgresql-*")}


def capabilities(pid: int) -> set[str]:
    """The permitted, effective, inheritable and ambient capabilities of a process, as in /proc."""
    names = ("CapPrm", "CapEff", "CapInh", "CapAmb")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(names)}


async def test_a_folder_that_only_its_owner_may_enter_runs_the_whole_stack(stack: Stack) -> None:
    await embedded.up(stack)
    assert all(part.ready for part in await embedded.status(stack))
    assert stat.S_IMODE(stack.state.stat().st_mode) == 0o700
    async with stack.server.connected() as connection:
        await connection.execute("CREATE TABLE kept (number int)")
    postgres = stack.daemon("postgres").process()
    assert postgres is not None
    used = {copy.name for copy in copies() if copy in Path(postgres.exe()).parents}
    if unprivileged.account() is not None:
        assert used
        assert postgres.uids().effective == unprivileged.NOBODY
        assert capabilities(postgres.pid) == {"0000000000000000"}

    # The data is found again after an end and after a crash.
    await embedded.restart(stack, "postgres")
    await embedded.restart(stack, "postgres", hard=True)
    async with stack.server.connected() as connection:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0

    # A wipe leaves nothing behind, neither here nor in /var/tmp.
    await embedded.down(stack, wipe=True)
    assert [copy for copy in copies() for name in used if copy.name.startswith(name)] == []


@pytest.mark.skipif(unprivileged.account() is None, reason="only root's PostgreSQL runs as another user")
async def test_a_copied_clone_makes_its_own_copy_of_the_programs_and_a_moved_one_keeps_it(
    private: Path,
) -> None:
    first = private / "first"
    paths.make_private(first)
    used = await postgres_programs.reachable(first)
    shutil.copytree(first, private / "copied")
    moved = first.rename(private / "moved")
    assert await postgres_programs.reachable(moved) == used
    other = await postgres_programs.reachable(private / "copied")
    assert other != used

    postgres_programs.forget(private / "copied")
    assert not other.exists()
    assert used.exists()
    postgres_programs.forget(moved)
    assert not used.exists()


@pytest.mark.skipif(unprivileged.account() is None, reason="only root's PostgreSQL runs as another user")
async def test_a_copy_that_lost_a_file_or_that_others_could_change_is_not_used(private: Path) -> None:
    used = await postgres_programs.reachable(private)
    (used / "initdb").unlink()
    assert (await postgres_programs.reachable(private) / "initdb").exists()

    copy = used.parents[2]
    copy.chmod(0o777)
    assert await postgres_programs.reachable(private) != used
    shutil.rmtree(copy)
    postgres_programs.forget(private)


@pytest.mark.parametrize(
    "left", [(), ("lock",), ("stack.json", "logs"), ("lock", "passwords.json", "postgres")]
)
def test_a_folder_of_an_earlier_version_is_used_on_and_closed_to_other_users(
    tmp_path: Path, left: tuple[str, ...]
) -> None:
    old = tmp_path / "old"
    old.mkdir(mode=0o755)
    for name in left:
        (old / name).touch()
    paths.make_private(old)
    assert stat.S_IMODE(old.stat().st_mode) == 0o700
    (old / "passwords.json").unlink(missing_ok=True)
    (old / "photographs").touch()
    paths.make_private(old)


@pytest.mark.parametrize("mode", [0o700, 0o755])
@pytest.mark.parametrize("name", ["photographs", "logs", "history", "run", "cache"])
async def test_a_folder_that_a_person_uses_is_refused_and_neither_closed_nor_wiped(
    tmp_path: Path, mode: int, name: str
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / name / "2024").mkdir(parents=True)
    theirs.chmod(mode)
    with pytest.raises(UserError, match="SHOP_STATE"):
        paths.make_private(theirs)
    with pytest.raises(UserError, match="SHOP_STATE"):
        await embedded.down(embedded.stack(theirs, 28000), wipe=True)
    await embedded.status(embedded.stack(theirs, 28000))
    assert stat.S_IMODE(theirs.stat().st_mode) == mode
    assert [path.relative_to(theirs) for path in theirs.rglob("*")] == [Path(name), Path(name, "2024")]


def test_what_is_below_the_clones_own_folder_is_a_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / ".shop"
    (clone / "venvs").mkdir(parents=True)
    (clone / "bench" / "logs").mkdir(parents=True)
    monkeypatch.setattr(paths, "shop_folder", lambda: clone)
    paths.make_private(clone)
    paths.make_private(clone / "bench")
    assert stat.S_IMODE(clone.stat().st_mode) == 0o700


async def test_a_password_that_was_lost_is_told_without_deleting_anything(stack: Stack) -> None:
    await embedded.start(stack, "postgres")
    await embedded.stop(stack, "postgres")
    (stack.state / "passwords.json").unlink()
    with pytest.raises(UserError, match="put that file back"):
        await embedded.start(stack, "postgres")
    assert (stack.state / "postgres" / "PG_VERSION").exists()
