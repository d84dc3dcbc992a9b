"""`chassis.handover`: a process that replaces another one takes its listening sockets, and no connection is lost."""

import asyncio
import gc
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI

from chassis import handover, server
from chassis.handover import ReceivedSockets, offered, take
from chassis.server import accepting
from chassis.tuning.accept_queue import DrainingServer
from chassis.web import GuardedRoute
from chassis.web.access import PUBLIC
from libs.chassis.tests.two_ports import Slow, assert_closed, free_port, get, served, service_on
from testkit import eventually
from testkit.databases import TestDatabase

HANDOVERS = 6
VISITORS = 8
FEW = 50
MANY = 1_000
PUBLIC_PORT = "public"
ANSWER_SECONDS = 20
"""After so long without an answer a request has failed. A connection that no server serves would wait for ever."""


@dataclass
class Visits:
    """The requests of clients that repeat none."""

    port: int
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    is_over: bool = False

    async def on_new_connections(self) -> None:
        """Send each request on a connection of its own."""
        while not self.is_over:
            await self._try(self._ask_once)

    async def on_a_kept_connection(self) -> None:
        """Send requests on one connection until an answer announces that it is closed."""
        while not self.is_over:
            await self._try(self._ask_until_closed)

    async def _try(self, ask: Callable[[], Any]) -> None:
        try:
            await ask()
        except (OSError, EOFError) as error:
            self.failures.append(repr(error))
            await asyncio.sleep(0)

    async def _ask_once(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            await self._exchange(reader, writer)
        finally:
            writer.close()

    async def _ask_until_closed(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not await self._exchange(reader, writer):
                pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one request. Returns whether this connection is to be used no more. Raises if there is no answer."""
        writer.write(b"GET /here HTTP/1.1\r\nHost: things\r\n\r\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        self.answered += 1
        return self.is_over or b"connection: close" in head


def server_on(port: int) -> DrainingServer:
    app = FastAPI()
    app.get("/here")(lambda: {"is": "an answer"})
    return DrainingServer(uvicorn.Config(app, "127.0.0.1", port, log_config=None, lifespan="off"))


@asynccontextmanager
async def visited(port: int) -> AsyncIterator[Visits]:
    """Clients that send requests until the block ends."""
    visits = Visits(port)
    async with asyncio.TaskGroup() as group:
        for _ in range(VISITORS):
            group.create_task(visits.on_new_connections())
            group.create_task(visits.on_a_kept_connection())
        try:
            yield visits
        finally:
            visits.is_over = True


@dataclass
class Process:
    """A server as a process has it: it takes the sockets of another one, offers its own, and ends when it is told."""

    port: int
    own: Path
    predecessor: Path | None
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    serving: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        draining = server_on(self.port)
        taken = await take(self.predecessor)
        async with accepting(draining, taken.sockets.get(PUBLIC_PORT)):
            listeners = {PUBLIC_PORT: [each for one in draining.servers for each in one.sockets]}
            async with offered(listeners, self.own):
                self.serving.set()
                await self.ending.wait()
        taken.close()


async def replace_again_and_again(folder: Path) -> Visits:
    """Replace a server HANDOVERS times under load. Returns the requests."""
    port = free_port()
    process = Process(port, folder / "0", None)
    async with asyncio.TaskGroup() as group:
        group.create_task(process.run())
        await process.serving.wait()
        async with visited(port) as visits:
            for number in range(1, HANDOVERS + 1):
                following = Process(port, folder / str(number), process.own)
                group.create_task(following.run())
                await following.serving.wait()
                await more_answers(visits, FEW)  # of both processes
                process.ending.set()
                await more_answers(visits, FEW)
                process = following
            await more_answers(visits, MANY)  # of the last process alone
        process.ending.set()
    return visits


async def more_answers(visits: Visits, number: int) -> None:
    """Wait until so many more requests are answered."""
    wanted = visits.answered + number

    async def arrived() -> None:
        assert visits.answered >= wanted

    await eventually(arrived, 60)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_no_request_fails_while_one_process_after_another_takes_the_sockets(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        visits = runner.run(replace_again_and_again(tmp_path))
    assert visits.failures == []
    assert visits.answered > MANY


# A connection in the gap belongs to no server, and the garbage collector closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_requests_fail_if_the_next_process_opens_the_port_itself() -> None:
    """The clients of the other tests see a gap."""
    port = free_port()
    servers = [server_on(port), server_on(port)]
    async with visited(port) as visits:
        for each in servers:
            async with accepting(each):
                await more_answers(visits, FEW)
    assert visits.failures != []

    async def all_connections_are_closed() -> None:
        assert not any(each.server_state.connections for each in servers)

    await eventually(all_connections_are_closed)
    gc.collect()


async def test_a_process_knows_its_successor_for_as_long_as_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "handover"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with offered({PUBLIC_PORT: [listener]}, path) as offer:
            assert not offer.has_successor
            taken = await take(path)
            assert offer.has_successor
            [given] = taken.sockets[PUBLIC_PORT]
            assert given.getsockname() == listener.getsockname()
            given.close()
            taken.close()

            async def is_alone() -> None:
                assert not offer.has_successor

            await eventually(is_alone)
    assert not path.exists()


async def test_a_unix_socket_that_a_killed_process_has_left_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "handover"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with offered({PUBLIC_PORT: [listener]}, path):
            taken = await take(path)
    assert len(taken.sockets[PUBLIC_PORT]) == 1
    close(taken)


async def test_without_a_path_no_process_gets_or_gives_sockets() -> None:
    async with offered({}, None) as offer:
        assert not offer.has_successor
    assert (await take(None)).sockets == {}


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons of the failures that were logged."""
    found: list[str] = []
    monkeypatch.setattr(handover, "log", SimpleNamespace(error=lambda _, reason: found.append(reason)))
    return found


async def test_a_process_that_is_not_there_is_told_in_one_line_of_the_log(
    reasons: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "nobody"
    with pytest.raises(SystemExit) as ended:
        await take(path)
    assert ended.value.code == 1
    (reason,) = reasons
    assert re.fullmatch(f"{re.escape(str(path))} gives no listening sockets: .*No such file.*", reason)


@pytest.mark.parametrize("message", [b"", b"[]", b"{", json.dumps({PUBLIC_PORT: 2}).encode()])
async def test_a_peer_that_sends_something_else_is_told(
    reasons: list[str], tmp_path: Path, message: bytes
) -> None:
    path = tmp_path / "other"

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(message)
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        with pytest.raises(SystemExit):
            await take(path)
    assert "gives no listening sockets" in reasons[0]


def close(taken: ReceivedSockets) -> None:
    for sockets in taken.sockets.values():
        for each in sockets:
            each.close()
    taken.close()


def named(name: str) -> APIRouter:
    """A route that tells the name of the process."""
    router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])

    @router.get("/name")
    async def tell() -> str:
        return name

    return router


async def test_a_service_replaces_another_one_at_both_of_its_ports(
    project: TestDatabase, tmp_path: Path
) -> None:
    known = service_on(project.url, named("1"), shop_version="1", http_handover_socket=tmp_path / "1")
    processes = AsyncExitStack()
    await processes.enter_async_context(served(known))
    for number in (2, 3):
        following = service_on(
            project.url,
            named(str(number)),
            shop_version=str(number),
            http_port=known.settings.http_port,
            http_handover_socket=tmp_path / str(number),
            http_predecessor_socket=tmp_path / str(number - 1),
        )
        async with processes:
            later = AsyncExitStack()
            await later.enter_async_context(served(following))
            # Its own management port tells whether it is ready, while the process from before still runs.
            assert (await get(following, "/version")).json()["version"] == str(number)
        processes = later
        assert (await get(known, "/version")).json()["version"] == str(number)
        assert (await get(known, "/readyz")).status_code == 200
        assert (await get(known, "/name", is_public=True)).json() == str(number)
    await processes.aclose()
    await assert_closed(known, is_public=True)
    await assert_closed(known, is_public=False)


async def test_with_a_successor_an_ending_process_leaves_the_management_port_to_it(
    project: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "DRAIN_SECONDS", 60)
    slow = Slow()
    first = service_on(project.url, slow.router, shop_version="1", http_handover_socket=tmp_path / "1")
    second = service_on(
        project.url,
        shop_version="2",
        http_port=first.settings.http_port,
        http_predecessor_socket=tmp_path / "1",
    )
    async with AsyncExitStack() as ending, served(first) as management:
        asked = asyncio.create_task(get(first, "/slow", is_public=True))
        await slow.begun.wait()
        await ending.enter_async_context(served(second))
        management.should_exit = True  # as uvicorn does at SIGTERM

        async def has_begun_to_end() -> None:
            assert first.context.process.phase == "is shutting down"

        await eventually(has_begun_to_end)
        versions = [(await get(first, "/version")).json()["version"] for _ in range(20)]
        assert versions == ["2"] * 20
        assert not asked.done()
        slow.may_end.set()
        assert (await asked).status_code == 200


async def test_a_process_that_replaces_another_opens_connections_and_goes_on_without_a_database() -> None:
    opened: list[float] = []

    class Base:
        async def check(self, seconds: float) -> None:
            opened.append(seconds)
            raise OSError("away")

    service: Any = SimpleNamespace(context=SimpleNamespace(database=Base()))
    await server.open_connections(service)
    assert len(opened) == server.CONNECTIONS
