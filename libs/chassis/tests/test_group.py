"""Several modules in one process: each has its own settings and its own name in the log, and metrics are shared."""

import asyncio
import json
import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter
from pydantic import SecretStr

from chassis import group
from chassis.handover import ReceivedSockets, offered
from chassis.inbox import Subscriptions
from chassis.observability.logs import configure_logging
from chassis.observability.module import current_module, in_module
from chassis.outbox import operate
from chassis.service import build_service
from chassis.settings import NO_KAFKA, ServiceSettings
from testkit import management_client
from testkit.databases import TestDatabase


async def test_tasks_are_of_the_module_that_has_created_them() -> None:
    with in_module("orders"):
        task = asyncio.create_task(named())
    assert current_module() == ""
    assert await task == "orders"


async def named() -> str:
    return current_module()


async def test_requests_are_of_the_module_whose_app_answers_them() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": current_module().encode()})

    for name in ("orders", "payments"):
        transport = httpx.ASGITransport(group.OfModule(app, name))
        async with httpx.AsyncClient(transport=transport, base_url="http://things") as http:
            assert (await http.get("/")).text == name
    assert current_module() == ""


async def test_a_scrape_has_the_outbox_of_its_module_while_another_module_is_scraped(
    project: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsent = iter((3, 7))
    both_have_read = asyncio.Barrier(2)

    async def measure(connection: Any) -> Any:
        row = SimpleNamespace(unsent=next(unsent), oldest_seconds=0.0, without_lease=0, delayed=0, refused=0)
        await both_have_read.wait()
        return row

    monkeypatch.setattr(operate, "measure", measure)
    modules = [
        build_service(
            settings(database_url=SecretStr(project.url), kafka_bootstrap_servers="127.0.0.1:1"),
            router=APIRouter(),
        )
        for _ in range(2)
    ]
    async with management_client(modules[0]) as one, management_client(modules[1]) as two:
        answers = await asyncio.gather(one.get("/metrics"), two.get("/metrics"))
    found = [re.findall(r"^chassis_outbox_unsent (.+)$", answer.text, re.MULTILINE) for answer in answers]
    assert sorted(found) == [["3.0"], ["7.0"]]


def test_a_line_of_the_log_names_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("process", "info")
    structlog.get_logger().info("alone")
    with in_module("payments"):
        structlog.get_logger().info("shared")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["service"]) for line in lines] == [
        ("alone", "process"),
        ("shared", "payments"),
    ]


def test_a_process_without_modules_or_settings_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(group.FOLDER, raising=False)
    with pytest.raises(
        SystemExit, match="name the modules, such as `python -m chassis.group orders inventory`"
    ):
        group.main([])
    with pytest.raises(SystemExit, match="GROUP_SETTINGS is missing"):
        group.main(["orders"])


def settings(**more: Any) -> ServiceSettings:
    url = more.pop("database_url", SecretStr("postgresql://nobody@127.0.0.1:1/things"))
    return ServiceSettings(service_name="things", database_url=url, **more)


def test_a_topic_that_is_neither_on_kafka_nor_in_the_database_is_refused(
    subscriptions: Subscriptions,
) -> None:
    with pytest.raises(
        ValueError, match=r"things reads things\.thing\.v1, and has no Kafka: set KAFKA_BOOTSTRAP_SERVERS"
    ):
        build_service(
            settings(kafka_bootstrap_servers=NO_KAFKA), router=APIRouter(), subscriptions=subscriptions
        )


def test_a_service_reads_the_topics_of_its_database_there_and_the_others_on_kafka(
    subscriptions: Subscriptions,
) -> None:
    local = build_service(
        settings(kafka_bootstrap_servers=NO_KAFKA, local_modules="things, parcels"),
        router=APIRouter(),
        subscriptions=subscriptions,
    ).runtime
    assert local.reader is not None
    assert local.reader.topics == {"things.thing.v1"}
    assert local.consumer is None
    remote = build_service(
        settings(kafka_bootstrap_servers="127.0.0.1:1", local_modules="parcels"),
        router=APIRouter(),
        subscriptions=subscriptions,
    ).runtime
    assert remote.reader is None
    assert remote.consumer is not None


def test_the_settings_of_a_module_are_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "things.env").write_text("SERVICE_NAME='things'\nHTTP_PORT='4711'\nDATABASE_URL=''\n")
    read = ServiceSettings(_env_file=tmp_path / "things.env", kafka_bootstrap_servers=NO_KAFKA)
    assert (read.service_name, read.http_port, read.has_kafka) == ("things", 4711, False)


async def test_a_module_takes_the_sockets_of_its_predecessor_before_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[ReceivedSockets] = []

    async def serve_until(service: Any, management: Any, sockets: ReceivedSockets) -> None:
        taken.append(sockets)

    monkeypatch.setattr(group, "serve_until", serve_until)
    monkeypatch.chdir(tmp_path)
    path = Path("orders.handover")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with offered({"public": [listener]}, path):
            for predecessor in (path, None):
                service: Any = SimpleNamespace(settings=SimpleNamespace(http_predecessor_socket=predecessor))
                management: Any = None
                await group._serve(service, management)
        [received] = taken[0].sockets["public"]
        assert received.getsockname() == listener.getsockname()
        received.close()
        taken[0].close()
    assert taken[1].sockets == {}
