"""Modules share a process and a database, and nothing else: rights, ports, names, and the code itself."""

import ast
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from shop_observe.topics import all_topics
from shop_observe.traces import raw_spans
from shop_stack import groups
from shop_stack.ports import SERVICES
from testkit import eventually

ROOT = Path(__file__).resolve().parents[2]
FOUR = ("handlers", "db", "events", "domain")
TRANSPORT = re.compile(
    r"kafka|monolith|local_modules|chassis\.(local|transports|group|settings|single)|is_single", re.IGNORECASE
)
TABLES = {
    "orders": ["orders", "outbox", "inbox"],
    "inventory": ["products", "outbox"],
    "payments": ["payments", "outbox"],
    "notifications": ["notifications", "outbox"],
    "analytics": ["order_facts", "dead_letters"],
}


def url_of(floor: Any, service: str, database: str | None = None) -> str:
    """The URL with which a module connects."""
    roles = floor.stack.passwords.roles(service)
    name = database or floor.stack.database_of(service)
    return str(floor.stack.server.url(name, roles.name, roles.password))


async def allowed(connection: Any, statement: str) -> bool:
    """Whether a role may run a statement. Any error except a missing right fails the test."""
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def open_doors(floor: Any, service: str) -> list[str]:
    """What a module can do to others in its database, and must not."""
    doors = []
    connection = await asyncpg.connect(url_of(floor, service))
    others = [name for name in floor.stack.shape.group_of(service) if name != service]
    for other in others:
        for table in TABLES[other]:
            doors += [
                f"{service}: {statement}"
                for statement in (
                    f"SELECT FROM {other}.{table} LIMIT 1",
                    f"DELETE FROM {other}.{table} WHERE false",
                )
                if await allowed(connection, statement)
            ]
    for topic in all_topics(floor.target.contracts):
        if topic.owner in floor.stack.shape.group_of(service):
            may_read = service in topic.readers
            if await allowed(connection, f'SELECT FROM topics."{topic.name}" LIMIT 1') is not may_read:
                doors.append(f"{service} {'cannot' if may_read else 'can'} read {topic.name}")
            if await allowed(connection, f'DELETE FROM topics."{topic.name}" WHERE false'):
                doors.append(f"{service} can write {topic.name}")
    await connection.close()
    return doors


@pytest.mark.parametrize("service", SERVICES)
async def test_a_module_reads_its_topics_and_no_schema_of_another(floor: Any, service: str) -> None:
    if floor.unit_of(service) == service:
        pytest.skip("alone in its database: tests/saga/test_rights.py")
    assert await open_doors(floor, service) == []


@pytest.mark.usefixtures("grouped")
async def test_an_open_door_is_seen(floor: Any) -> None:
    database = floor.stack.database_of("inventory")
    topics = all_topics(floor.target.contracts)
    read = next(topic.name for topic in topics if topic.owner == "orders" and "inventory" in topic.readers)
    async with floor.stack.server.connected(database) as superuser:
        await superuser.execute(
            "GRANT USAGE ON SCHEMA orders TO inventory; GRANT SELECT ON orders.outbox TO inventory;"
            f'REVOKE SELECT ON topics."{read}" FROM inventory'
        )
        try:
            assert await open_doors(floor, "inventory") == [
                "inventory: SELECT FROM orders.outbox LIMIT 1",
                f"inventory cannot read {read}",
            ]
        finally:
            await superuser.execute(
                "REVOKE USAGE ON SCHEMA orders FROM inventory; REVOKE SELECT ON orders.outbox FROM inventory;"
                f'GRANT SELECT ON topics."{read}" TO inventory'
            )
    assert await open_doors(floor, "inventory") == []


async def test_a_module_cannot_open_the_database_of_another_group(floor: Any) -> None:
    for service in SERVICES:
        for unit in set(floor.stack.units) - {floor.unit_of(service)}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(url_of(floor, service, unit))


async def test_the_version_is_that_of_the_module_and_the_metrics_are_those_of_its_process(floor: Any) -> None:
    await floor.serve(floor.run(5))
    await floor.assert_that_the_oracle_holds()
    async with httpx.AsyncClient(trust_env=False) as http:
        urls = floor.target.management_urls
        versions = {name: (await http.get(f"{url}/version")).json() for name, url in urls.items()}
        assert {name: version["service"] for name, version in versions.items()} == {
            name: name for name in urls
        }
        for service, url in urls.items():
            together = [name for name in urls if floor.unit_of(name) == floor.unit_of(service)]
            metrics = (await http.get(f"{url}/metrics")).text
            consumed = set(
                re.findall(r'chassis_events_consumed_total\{outcome="handled",type="([^"]+)"\}', metrics)
            )
            assert consumed == {type_ for name in together for type_ in versions[name]["consumes"]}
            assert "process_start_time_seconds" in metrics


async def test_logs_and_spans_name_the_module(floor: Any) -> None:
    await floor.serve(floor.run(5))

    async def all_seen() -> None:
        assert {service for service, _ in raw_spans(floor.target.spans)} >= set(SERVICES)

    await eventually(all_seen, 30)
    for unit in floor.stack.units:
        logged = set(re.findall(r'"service": "([^"]+)"', floor.stack.daemon(unit).log.read_text()))
        assert logged == set(floor.stack.members(unit))


def test_each_shape_runs_the_code_of_this_repository(floor: Any) -> None:
    for unit in floor.stack.units:
        for service in floor.stack.members(unit):
            question = "; ".join(f"import {service}.{name} as m; print(m.__file__)" for name in FOUR)
            python = str(groups.project_of(floor.stack, unit).python)
            answer = subprocess.run([python, "-c", question], capture_output=True, text=True, check=True)
            for file in answer.stdout.split():
                assert Path(file).is_relative_to(ROOT / "services" / service / "src"), file


def words_of_a_transport(source: str) -> Sequence[str]:
    """The names and imports in a module that belong to a transport. Comments and docstrings may mention one."""
    return [found[0] for name in names_in(ast.parse(source)) if (found := TRANSPORT.search(name))]


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name


@pytest.mark.parametrize("service", SERVICES)
def test_use_cases_queries_events_and_rules_know_no_transport(service: str) -> None:
    package = ROOT / "services" / service / "src" / service
    files = [
        file
        for name in FOUR
        for file in (package / f"{name}.py", *(package / name).glob("*.py"))
        if file.exists()
    ]
    assert len(files) >= len(FOUR)
    assert {file.name: words_of_a_transport(file.read_text()) for file in files} == {
        file.name: [] for file in files
    }


@pytest.mark.parametrize(
    "line",
    [
        "import aiokafka",
        "from chassis.local import is_local",
        "if settings.local_modules: pass",
        "from chassis.single import Calls",
        "if settings.is_single: pass",
    ],
)
def test_a_module_that_knows_its_transport_is_seen(line: str) -> None:
    source = (ROOT / "services/orders/src/orders/handlers.py").read_text()
    assert words_of_a_transport(source) == []
    assert words_of_a_transport(f"{source}\n{line}\n")
