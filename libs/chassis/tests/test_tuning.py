"""`chassis.tuning`: each tuning can be switched off by its file's name, and each name is a file."""

import gc
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter
from pydantic import SecretStr
from sqlalchemy import text

from chassis import tuning
from chassis.outbox import Database
from chassis.postgres import Connection, Statements
from chassis.server import server_of
from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from chassis.tuning import GUARDS, SPEED, TUNINGS, Tuning, UnknownTuning
from chassis.tuning.accept_queue import DrainingServer
from chassis.tuning.garbage_collector import collect_seldom
from chassis.tuning.planner import RELAY_SETTINGS, SERVER_SETTINGS
from chassis.web import LoadShedding
from testkit.databases import TestDatabase

NOWHERE = "postgresql://nowhere/things"


def test_every_file_of_the_package_is_a_tuning_with_a_docstring() -> None:
    files = {path.stem: path for path in Path(tuning.__file__).parent.glob("*.py")}
    del files["__init__"]
    assert files.keys() == TUNINGS
    for name, path in files.items():
        about = path.read_text()
        of_its_kind = "What it saves:" if name in SPEED else "Without it:"
        for promise in ("What it does:", "Why:", of_its_kind, "Can be removed when:"):
            assert promise in about, f"{name} does not say: {promise}"


def test_every_file_says_whether_it_is_for_speed_or_a_guard() -> None:
    assert SPEED.isdisjoint(GUARDS)
    of_a_guard = ("Kind: guard. Works around ", "Kind: guard. Sets limits ")
    for name in TUNINGS:
        about = importlib.import_module(f"chassis.tuning.{name}").__doc__ or ""
        (kind,) = [line for line in about.splitlines() if line.startswith("Kind: ")]
        if name in SPEED:
            assert kind == "Kind: speed. Without it the results are the same.", name
        else:
            assert kind.startswith(of_a_guard), name


def test_all_tunings_are_in_use_unless_they_are_switched_off() -> None:
    assert all(Tuning().has(name) for name in TUNINGS)
    assert not any(Tuning("all").has(name) for name in TUNINGS)
    some = Tuning(" planner, message_spans,")
    assert {name for name in TUNINGS if not some.has(name)} == {"planner", "message_spans"}


@pytest.mark.parametrize("off", ["planer", "planner,everything", "ALL", "planner message_spans"])
def test_unknown_tunings_are_refused_and_the_known_ones_named(off: str) -> None:
    with pytest.raises(UnknownTuning, match="TUNING_OFF: .* is not one of: all, accept_queue, ") as error:
        Tuning(off)
    assert all(name in str(error.value) for name in TUNINGS)


def things(url: str = NOWHERE, tuning_off: str = "", shedding: LoadShedding | None = None) -> Service:
    settings = ServiceSettings(
        service_name="things",
        database_url=SecretStr(url),
        kafka_bootstrap_servers="127.0.0.1:1",
        tuning_off=tuning_off,
    )
    return build_service(settings, router=APIRouter(), load_shedding=shedding)


def test_a_service_does_not_start_with_an_unknown_tuning() -> None:
    with pytest.raises(UnknownTuning, match="planer"):
        things(tuning_off="planer")


async def nothing(_: Connection) -> int:
    return 0


@pytest.mark.parametrize(
    ("tuning_off", "drains", "refuses_fast"),
    [("", True, True), ("accept_queue", False, True), ("fast_refusals", True, False), ("all", False, False)],
)
async def test_the_tunings_of_the_server_can_be_switched_off(
    tuning_off: str, drains: bool, refuses_fast: bool
) -> None:
    off = tuning_off if tuning_off == "all" else f"{tuning_off},request_deadlines"
    server = server_of(things(tuning_off=off, shedding=LoadShedding(nothing, 10, {"/things"})))
    assert isinstance(server, DrainingServer) is drains
    assert (server.config.http != uvicorn.Config(things().asgi).http) is refuses_fast


async def test_a_service_without_load_shedding_has_uvicorns_own_parser() -> None:
    service = things(tuning_off="request_deadlines")
    assert server_of(service).config.http == uvicorn.Config(service.asgi).http


@pytest.mark.parametrize("tuning_off", ["planner", "all"])
async def test_connections_have_the_planner_settings_unless_switched_off(
    project: TestDatabase, tuning_off: str
) -> None:
    of_the_server = await settings_of(Database(project.url))
    assert of_the_server != SERVER_SETTINGS
    tuned = things(project.url).context
    assert await settings_of(tuned.database) == SERVER_SETTINGS
    assert await settings_of(tuned.background_database) == SERVER_SETTINGS
    plain = things(project.url, tuning_off=tuning_off).context
    assert await settings_of(plain.database) == of_the_server
    assert await settings_of(plain.background_database) == of_the_server


async def settings_of(database: Database) -> dict[str, str]:
    """What PostgreSQL says on one of its connections; the database is closed afterwards."""
    async with database.reading() as connection:
        found = {name: await connection.value(text(f"SHOW {name}")) for name in SERVER_SETTINGS}
    await database.close()
    return found


async def plan_of(statement: str, url: str, settings: Mapping[str, str]) -> str:
    database = Database(url, server_settings=settings)
    async with database.reading() as connection:
        await connection.driver.execute(f"PREPARE planned AS {statement}")
        arguments = "('{1,2}', '3:3:', NULL, 0, 500)" if "$1" in statement else ""
        rows = await connection.driver.fetch(f"EXPLAIN EXECUTE planned {arguments}")
    await database.close()
    return "\n".join(line for (line,) in rows)


async def test_a_plan_that_is_made_while_a_table_is_empty_uses_its_index(project: TestDatabase) -> None:
    """Fails when PostgreSQL does so by itself: then `chassis.tuning.planner` needs no `enable_seqscan`."""
    old_rows = "SELECT FROM inbox WHERE received_at < now()"
    assert "Seq Scan on inbox" in await plan_of(old_rows, project.url, {})
    assert "Seq Scan on inbox" not in await plan_of(old_rows, project.url, SERVER_SETTINGS)


async def test_the_relay_reads_in_the_order_of_the_index_also_without_statistics(
    project: TestDatabase,
) -> None:
    """Fails when PostgreSQL does so by itself: then `chassis.tuning.planner` needs no `enable_bitmapscan`."""
    unseen_rows = Statements("chassis.outbox").raw("unseen_rows")
    assert "Bitmap Heap Scan" in await plan_of(unseen_rows, project.url, SERVER_SETTINGS)
    relayed = await plan_of(unseen_rows, project.url, RELAY_SETTINGS)
    assert "Bitmap Heap Scan" not in relayed
    assert "Seq Scan" not in relayed


@pytest.fixture
def collections() -> Iterator[list[dict[str, Any]]]:
    """The runs of the cycle collector. Its state is put back after the test."""
    thresholds = gc.get_threshold()
    runs: list[dict[str, Any]] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            runs.append(info)

    gc.callbacks.append(note)
    yield runs
    gc.callbacks.remove(note)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def allocate() -> list[list[int]]:
    return [[] for _ in range(10_000)]


def test_the_cycle_collector_runs_seldom_once_it_is_told(collections: list[dict[str, Any]]) -> None:
    """Fails when Python's own collector runs as seldom: then `chassis.tuning.garbage_collector` is needless."""
    gc.set_threshold(700, 10, 10)  # Python's own
    kept = [allocate()]
    assert len(collections) > 5
    collect_seldom()
    gc.collect()
    collections.clear()
    kept.append(allocate())
    assert collections == []
    assert gc.get_freeze_count() > 10_000
