"""A release of one service replaces the process that runs. tests/saga/test_deployments.py does it under load."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop_stack import deployed, deployments, embedded, handover, kafka_groups, parts, tables, venvs
from shop_stack.deployments import Deployed, clone
from shop_stack.errors import UserError
from shop_stack.stack import Stack
from shop_stack.tables import Head
from testkit import eventually
from testkit.release_copies import REVISION, add_migration, copied_release, replace_main
from testkit.shops import running_shop

pytestmark = pytest.mark.long

NAME = "inventory"
ENDS_AT_ONCE = "raise SystemExit('this release does not start')\n"
NEVER_READY = """import http.server, json, os

class Probes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write(json.dumps({"checks": {"consumer": "waits for kafka", "relay": "ok"}}).encode())

http.server.HTTPServer(("127.0.0.1", int(os.environ["HTTP_MANAGEMENT_PORT"])), Probes).serve_forever()
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of one service that runs. Each test leaves the clone running."""
    with running_shop("deployments", (NAME,)) as (stack, _):
        yield stack


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[ExitStack]:
    """Releases whose environments are deleted at the end of the test."""
    with ExitStack() as stack:
        yield stack


async def version(stack: Stack) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as http:
        found: dict[str, Any] = (await http.get(f"{stack.management_url(NAME)}/version")).json()
        return found


async def test_a_release_is_deployed_kept_over_a_restart_and_rolled_back(
    stack: Stack, tmp_path: Path, copies: ExitStack
) -> None:
    # One test, because a start costs seconds; each step is one claim.
    release = copies.enter_context(copied_release(NAME, tmp_path))
    revision = add_migration(release)
    schema = (await version(stack))["schema"]
    first = stack.daemon(NAME).pid
    with pytest.raises(UserError, match="inventory has no release to go back to"):
        await deployments.rollback(stack, NAME)

    # The release runs, with its migrations, and no process of the one from before is left.
    outcome = await deployments.deploy(stack, release)
    assert (outcome.now, outcome.before, outcome.gap) == (release, clone(NAME), "")
    told = await version(stack)
    assert (told["version"], told["revision"]) == (release.version, REVISION)
    assert (schema, told["schema"]) == (f"{int(revision) - 1:04}", revision)
    assert deployments.deployed(stack) == {NAME: release}
    second = stack.daemon(NAME).pid
    assert second not in (None, first)
    assert alone(stack)

    # The same release again changes nothing.
    assert (await deployments.deploy(stack, release)).before == release
    assert stack.daemon(NAME).pid == second

    # The status names it. A restart and a crash keep it.
    (part,) = [each for each in await embedded.status(stack) if each.name == NAME]
    assert (part.release, part.ready) == (release.version, True)
    await embedded.restart(stack, NAME, hard=True)
    assert (await version(stack))["version"] == release.version

    # The release from before runs on the later schema, and starts on it.
    outcome = await deployments.rollback(stack, NAME)
    assert (outcome.now, outcome.gap) == (clone(NAME), "")
    told = await version(stack)
    assert told["schema"] == revision
    assert told["version"] != release.version
    assert deployments.deployed(stack) == {}
    await embedded.restart(stack, NAME)
    assert await parts.is_ready(stack, NAME)
    assert alone(stack)

    # A second rollback returns, after the whole stack was stopped in between.
    await embedded.down(stack)
    await embedded.up(stack)
    await deployments.rollback(stack, NAME)
    assert (await version(stack))["version"] == release.version
    await deployments.rollback(stack, NAME)
    assert deployments.deployed(stack) == {}


def alone(stack: Stack) -> bool:
    """Whether no second process of the service is left."""
    names = [f"{NAME}-{which}" for which in (handover.NEXT, handover.PREVIOUS)]
    return all(stack.daemon(name).process() is None for name in names)


async def test_a_release_that_does_not_start_is_not_deployed(
    stack: Stack, tmp_path: Path, copies: ExitStack
) -> None:
    ends = copies.enter_context(copied_release(NAME, tmp_path, "0.1.2"))
    replace_main(ends, ENDS_AT_ONCE)
    silent = copies.enter_context(copied_release(NAME, tmp_path, "0.1.3"))
    replace_main(silent, NEVER_READY)
    before = stack.daemon(NAME).pid

    with pytest.raises(
        UserError, match=r"ended right after its start \(this release does not start\), so it is"
    ):
        await deployments.deploy(stack, ends)
    with pytest.raises(
        UserError, match=r"was not ready after 1 s \(consumer: waits for kafka\), so it is not"
    ):
        await deployments.deploy(stack, silent, patience=1)

    assert stack.daemon(NAME).pid == before
    assert alone(stack)
    assert deployments.deployed(stack) == {}
    assert await parts.is_ready(stack, NAME)

    # Without the Unix socket the process is stopped first. If the new one fails, the old release starts again.
    (stack.state / stack.deployment(NAME).handover_socket).unlink()
    with pytest.raises(UserError, match="does not start, so inventory from the clone runs again: "):
        await deployments.deploy(stack, ends)
    assert await parts.is_ready(stack, NAME)
    assert deployments.deployed(stack) == {}

    # The clone replaces itself: the code may have changed.
    (stack.state / stack.deployment(NAME).handover_socket).unlink()
    outcome = await deployments.deploy(stack, clone(NAME))
    assert "gives its sockets to no other" in outcome.gap
    before = stack.daemon(NAME).pid
    outcome = await deployments.deploy(stack, clone(NAME))
    assert outcome.gap == ""
    assert stack.daemon(NAME).pid != before


async def test_a_release_that_does_not_run_on_the_tables_is_refused_before_anything_happens(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tables, "heads_of", lambda _: [Head("0.1.0", "0001"), Head("0.2.0", "0002"), Head("0.3.0", "9999")]
    )
    before = stack.daemon(NAME).pid
    with pytest.raises(
        UserError, match=r"0\.1\.0 does not run on the tables.*made by inventory 0\.3\.0, and"
    ):
        await deployments.deploy(stack, Deployed(NAME, "0.1.0", tmp_path / "its code is not needed"))
    assert stack.daemon(NAME).pid == before
    assert deployments.deployed(stack) == {}
    present = stack.deployment(NAME)
    deployed.write(stack.state, replace(present, before=Deployed(NAME, "0.1.0", tmp_path)))
    try:
        with pytest.raises(UserError, match="Way out: deploy inventory 0.2.0 or a later release"):
            await deployments.rollback(stack, NAME)
    finally:
        deployed.write(stack.state, present)


async def test_an_interrupted_deployment_leaves_the_service_as_it_was(
    stack: Stack, tmp_path: Path, copies: ExitStack
) -> None:
    release = copies.enter_context(copied_release(NAME, tmp_path))
    replace_main(release, NEVER_READY)
    before = stack.daemon(NAME).pid
    starting = stack.daemon(f"{NAME}-{handover.NEXT}")
    deploying = asyncio.create_task(deployments.deploy(stack, release))

    async def has_begun() -> None:
        assert starting.process() is not None

    await eventually(has_begun, 120)  # the environment is built before
    deploying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    assert starting.process() is None
    assert stack.daemon(NAME).pid == before
    assert deployments.deployed(stack) == {}


async def test_a_release_for_a_stack_that_does_not_run_is_chosen(
    tmp_path: Path, base: int, monkeypatch: pytest.MonkeyPatch, copies: ExitStack
) -> None:
    async def built(_: Any) -> bool:
        return True

    monkeypatch.setattr(venvs, "ensure", built)
    stack = embedded.stack(tmp_path / "state", base, services=(NAME,))
    release = copies.enter_context(copied_release(NAME, tmp_path))
    outcome = await deployments.deploy(stack, release)
    assert not outcome.is_running
    assert deployments.deployed(stack) == {NAME: release}


async def test_an_unknown_service_is_told(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path / "state", 28000)
    for deploying in (
        deployments.deploy(stack, Deployed("billing", "0.1.1", tmp_path)),
        deployments.rollback(stack, "billing"),
    ):
        with pytest.raises(UserError, match="There is no service 'billing': choose one of orders, "):
            await deploying


async def test_a_chassis_from_before_the_handover_is_seen(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path / "state", 28000)
    socket = stack.state / stack.deployment(NAME).handover_socket
    socket.parent.mkdir(parents=True)
    socket.touch()
    assert handover.why_not(stack, NAME, clone(NAME)) == ""
    old = Deployed(NAME, "0.0.1", tmp_path / "old")
    assert "cannot take the sockets" in handover.why_not(stack, NAME, old)


async def test_a_broker_that_does_not_answer_does_not_stop_a_deployment(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path / "state", 28000)
    access = stack.logins.of("topics")
    assert not await kafka_groups.remove_static_member(access, NAME, f"{NAME}-1", patience=2)
