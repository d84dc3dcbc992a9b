"""The embedded stack: it starts, is found again, survives crashes of its parts, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shop_stack import embedded, parts, passwords, stack_files, target
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES, http_status
from shop_stack.stack import Stack
from testkit import eventually

pytestmark = pytest.mark.long


@pytest.fixture
async def stack(tmp_path: Path, base: int) -> AsyncIterator[Stack]:
    """A stack of one service, not started yet; stopped at the end, whatever the test did."""
    stack = embedded.stack(tmp_path / "state", base, services=("inventory",))
    yield stack
    await embedded.down(stack, wipe=True)


def pids(stack: Stack) -> dict[str, int | None]:
    return {name: stack.daemon(name).pid for name in stack.parts}


async def test_a_stack_starts_is_found_again_loses_a_part_gets_it_back_and_stops(stack: Stack) -> None:
    # One test, because a start costs seconds; each step is one claim.
    found = await embedded.up(stack)
    assert all(part.ready for part in await embedded.status(stack))

    # The target leads to what was started.
    assert found == target.embedded(stack.state)
    assert await http_status(stack.ports.management("inventory"), "/livez") == 200
    owner = await asyncpg.connect(found.database_urls["inventory"])
    assert await owner.fetchval("SELECT count(*) FROM products") == 0
    await owner.close()

    # A second start finds what runs.
    before = pids(stack)
    await embedded.up(embedded.stack(stack.state, services=stack.services))
    assert pids(stack) == before

    # What is missing is started, and only that.
    await embedded.kill(stack, "inventory")
    (lost,) = [part for part in await embedded.status(stack) if not part.running]
    assert (lost.name, lost.ready, lost.pid) == ("inventory", False, None)
    await embedded.up(stack)
    assert pids(stack) | {"inventory": None} == before | {"inventory": None}

    # PostgreSQL and Kafka come back from a crash with what they had.
    await embedded.kill(stack, "postgres")
    await embedded.kill(stack, "kafka")
    await embedded.start(stack, "postgres")
    await embedded.start(stack, "kafka")
    await parts.ready(stack, "inventory")

    # Nothing runs after the end, and no target is left.
    await embedded.down(stack)
    assert set(pids(stack).values()) == {None}
    with pytest.raises(target.TargetMissing):
        target.embedded(stack.state)


async def test_data_stays_over_a_stop_and_goes_with_a_wipe(tmp_path: Path, base: int) -> None:
    stack = embedded.stack(tmp_path / "state", base, services=())
    await embedded.start(stack, "postgres")
    async with stack.server.connected() as connection:
        await connection.execute("CREATE DATABASE keepsake")
    await embedded.down(stack)
    await embedded.start(stack, "postgres")
    async with stack.server.connected() as connection:
        assert await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = 'keepsake'")
    await embedded.down(stack, wipe=True)
    assert sorted(path.name for path in stack.state.iterdir()) == [".shopfloor", "lock"]


async def test_a_start_that_fails_stops_what_it_had_started(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: Stack) -> None:
        assert stack.daemon("postgres").pid is not None
        raise UserError("no")

    monkeypatch.setattr(parts, "provision_databases", fails)
    with pytest.raises(UserError, match="no"):
        await embedded.up(stack)
    assert set(pids(stack).values()) == {None}


async def test_ctrl_c_while_the_stack_starts_leaves_nothing_running(tmp_path: Path, base: int) -> None:
    state = tmp_path / "state"
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shop.cli",
        "up",
        env={**os.environ, "SHOP_STATE": str(state), "SHOP_PORT_BASE": str(base)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        # A shell that runs the tests in the background has its children ignore Ctrl-C, and so theirs.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    stack = embedded.stack(state, base)

    async def has_begun() -> None:
        assert stack.daemon("postgres").pid is not None

    await eventually(has_begun, deadline=30)
    os.killpg(command.pid, signal.SIGINT)
    assert await asyncio.wait_for(command.wait(), 60) != 0
    assert set(pids(stack).values()) == {None}


async def test_two_commands_do_not_change_one_stack_at_the_same_time(stack: Stack) -> None:
    with (
        stack_files.alone(stack),
        pytest.raises(UserError, match="Another command is starting or stopping the stack in .*: wait"),
    ):
        await embedded.up(stack)


def test_passwords_are_random_private_and_stay_the_same(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    made = passwords.load_or_make(file)
    assert passwords.load_or_make(file) == made
    everything = [*made.by_role.values(), *made.by_principal.values()]
    assert len(set(everything)) == len(everything)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert passwords.load_or_make(tmp_path / "other.json") != made


def test_children_write_their_bytecode_and_see_no_environment_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in parts.NOT_FOR_CHILDREN:
        monkeypatch.setenv(name, "1")
    environment = parts.child_environment({"PROCESSOR_SLOW_SECONDS": "0"})
    assert not set(parts.NOT_FOR_CHILDREN) & set(environment)
    assert environment["PROCESSOR_SLOW_SECONDS"] == "0"


def test_a_service_is_told_its_own_database_as_the_role_that_changes_rows_only(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28000)
    environment = parts.service_environment(stack, "payments")
    stack_files.write_secrets(stack)
    assert environment["DATABASE_URL"] == "postgresql://payments@127.0.0.1:28032/payments"
    password = stack.passwords.by_role["payments"]
    assert Path(environment["DATABASE_PASSWORD_FILE"]).read_text() == password
    assert environment["PROCESSOR_URL"] == "http://127.0.0.1:28010"
    assert environment["KAFKA_SASL_USERNAME"] == "payments"
    kafka_file = Path(environment["KAFKA_SASL_PASSWORD_FILE"])
    assert kafka_file.read_text() == stack.passwords.by_principal["payments"]
    assert stat.S_IMODE(kafka_file.stat().st_mode) == 0o600
    assert environment["KAFKA_SECURITY_PROTOCOL"] == "SASL_PLAINTEXT"
    known = [*stack.passwords.by_role.items(), *stack.passwords.by_principal.items()]
    assert not any(password in value for _, password in known for value in environment.values())
    assert "PROCESSOR_URL" not in parts.service_environment(stack, "orders")


def test_only_the_service_that_calls_an_outside_system_has_its_login(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28000)
    environments = {name: parts.service_environment(stack, name) for name in SERVICES}
    key = stack.passwords.processor_key
    secrets = stack.passwords.client_secrets
    assert environments["payments"]["PROCESSOR_API_KEY"] == key
    assert environments["notifications"]["DIRECTORY_URL"] == "http://127.0.0.1:28012/scim/v2"
    assert environments["notifications"]["DIRECTORY_CLIENT_SECRET"] == secrets["notifications"]
    logins = {key, *secrets.values()}
    knows = {name: logins & set(environment.values()) for name, environment in environments.items()}
    assert {name for name, known in knows.items() if known} == {"payments", "notifications"}
    assert all(len(known) == 1 for known in knows.values() if known)
