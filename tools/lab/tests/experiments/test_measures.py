"""What experiments measure with: stalls, takeovers, duplicates, and clients that count what fails."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from shop_lab.experiments import clients, duplicates, stalls
from shop_lab.experiments.churn import Churn
from shop_lab.experiments.clients import Client
from shop_lab.experiments.takeover import taken_over
from shop_observe.kafka_log import Entry
from shop_stack.ports import free_port

GET = b"GET / HTTP/1.1\r\n\r\n"


def entry(id: str, partition: int, offset: int, sent: float) -> Entry:
    return Entry("t", partition, offset, int(1000 * sent), "key", id, "/here", "type", "", "", "", "", b"")


def taken(**moments: float) -> stalls.Taken:
    return {("/here", id): at for id, at in moments.items()}


def test_a_partition_stalls_from_its_last_progress_until_the_next() -> None:
    entries = [entry("a", 0, 0, 10.0), entry("b", 0, 1, 10.0), entry("c", 0, 2, 11.0)]
    stall = stalls.longest(entries, taken(a=10.5, b=22.5, c=22.5))
    assert (stall.seconds, stall.until, stall.since) == (12.0, "t[0]@1", 10.5)


def test_another_partition_that_goes_on_hides_no_stall() -> None:
    slow = [entry("a", 0, 0, 10.0), entry("b", 0, 1, 10.0)]
    quick = [entry(f"q{n}", 1, n, 10.0 + n) for n in range(15)]
    going_on = {f"q{n}": 10.1 + n for n in range(15)}
    assert stalls.longest([*slow, *quick], taken(a=10.0, b=24.0, **going_on)).seconds == 14.0


def test_an_empty_partition_does_not_stall() -> None:
    entries = [entry("a", 0, 0, 10.0), entry("ignored", 0, 1, 20.0), entry("b", 0, 2, 100.0)]
    assert stalls.longest(entries, taken(a=10.25, b=100.5)).seconds == 0.5
    assert stalls.longest([], {}).until == ""


def test_an_event_that_was_sent_twice_counts_once() -> None:
    entries = [entry("a", 0, 0, 10.0), entry("a", 0, 1, 50.0), entry("b", 0, 2, 50.0)]
    assert stalls.longest(entries, taken(a=11.0, b=50.5)).seconds == 1.0


class Guest:
    """A process that does what it is told, at once."""

    name = "guest"

    async def start(self) -> None:
        """Is there."""

    async def stop(self) -> None:
        """Is not."""

    async def kill(self) -> None:
        """Is not either."""


@pytest.mark.parametrize(
    ("crash_share", "end"), [(0.0, ["was asked to leave", "had left"]), (1.0, ["crashed"])]
)
async def test_what_happened_in_a_stall_is_told(
    monkeypatch: pytest.MonkeyPatch, crash_share: float, end: list[str]
) -> None:
    monkeypatch.setattr("shop_lab.experiments.churn.LONGEST_STAY", 0.0)
    monkeypatch.setattr("shop_lab.experiments.churn.BEFORE", 1.0)
    monkeypatch.setattr("shop_lab.experiments.churn.time.time", itertools.count(100).__next__)
    churn = Churn(crash_share)
    await churn.come_and_go(Guest(), iter([True, True, False]).__next__)
    told = ["started", "was ready", *end]
    assert [what for _, what in churn.story] == [f"guest {what}" for what in told * 2]
    assert churn.told(101, 102) == [
        "-1.0 s guest started",
        "+0.0 s guest was ready",
        f"+1.0 s guest {end[0]}",
    ]


@pytest.mark.parametrize(
    ("now", "over"),
    [
        (["a", "a", "b", "b"], False),  # nothing has happened yet
        ([None, None, "b", "b"], False),  # it left its shards, and nobody has them
        (["b", "a", "b", "b"], False),
        (["b", "b", "b", "b"], True),
        (["c", "b", "b", "b"], True),
    ],
)
def test_a_share_is_taken_over_when_each_of_its_shards_has_a_living_owner(
    now: list[str | None], over: bool
) -> None:
    assert taken_over(["a", "a", "b", "b"], now) is over


def test_duplicates_are_counted_over_types_and_from_the_start_of_a_new_process() -> None:
    metrics = (
        'chassis_events_consumed_total{outcome="duplicate",type="a"} 3.0\n'
        'chassis_events_consumed_total{outcome="handled",type="a"} 90.0\n'
        'chassis_events_consumed_total{outcome="duplicate",type="b"} 4.0\n'
    )
    assert duplicates.counted(metrics) == 7
    before = {(1, 100.0): 5, (2, 100.0): 1}
    after = {(1, 200.0): 3, (2, 100.0): 2}
    assert duplicates.between(before, after) == 4


async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def test_a_door_that_is_shut_is_no_failure() -> None:
    server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
    async with server:
        client = Client([free_port(), server.sockets[0].getsockname()[1]])
        status, _, body = await client.ask(GET)
    assert (status, body) == (200, b"ok")
    assert (client.answers, client.failures.total(), client.refused) == (1, 0, 1)


async def test_a_request_that_was_accepted_and_never_answered_is_a_failure() -> None:
    accepted = 0

    async def drop_the_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        if accepted > 1:
            return await answer_once(reader, writer)
        await reader.readuntil(b"\r\n\r\n")
        return await hang_up(writer)

    server = await asyncio.start_server(drop_the_first, "127.0.0.1", 0)
    async with server:
        client = Client([server.sockets[0].getsockname()[1]])
        await client.ask(GET)
    assert (client.answers, dict(client.failures)) == (1, {"ConnectionAbortedError": 1})


async def test_an_answer_of_the_services_own_trouble_is_a_failure() -> None:
    user_errors = [b"503 Unavailable", b"200 OK"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + user_errors.pop(0) + b"\r\nContent-Length: 0\r\n\r\n")
        await hang_up(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        client = Client([server.sockets[0].getsockname()[1]])
        rounds = iter([True, False])
        await clients.read_repeatedly(client, "/", lambda: "Bearer a", lambda: next(rounds), 0)
    assert dict(client.failures) == {"503": 1}
