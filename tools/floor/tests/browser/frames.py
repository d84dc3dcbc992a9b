"""Measures the floor under load: frames per second in the browser, and CPU and memory of the page's server.

python -m tools.floor.tests.browser.frames --rates 0,8,180,1000 --seconds 15      (`make floor-frames`)

Orders of six events are written into a real Kafka at each rate, and the floor reads them as it reads those of a shop.
The services are played. For each rate it prints one row: the records that were written and those that the page has
counted each second, the frames that the browser has drawn (mean, and the worst second), and CPU and memory of the
server. With `--rounds` each rate is measured so often, and a figure is the median. `no page` is the server after the
page was closed.

`--log` has the records that lie in Kafka before, and `--pages` the pages that are open beside the browser. Half of them
show an order whose id has no time, so the server searches the log from its beginning for each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from uuid import uuid4

import psutil
from confluent_kafka import Producer
from playwright.sync_api import Page, sync_playwright

from shop_lab.experiments.foreign_inputs.events import Event, topics_of
from shop_stack.kafka_access import KafkaAccess
from shop_stack.paths import contracts
from shop_stack.ports import SERVICES, free_port
from shop_stack.rights import LAB, ORACLE
from testkit.servers import chosen_servers
from tools.floor.tests.scenes import TOPICS, order_id
from tools.floor.tests.services import Services, serving

CHROMIUM = "/usr/bin/chromium"
KEY = b"01985f0e-0000-7000-8000-00000000000a"
"""Stands in the events for the id of each order."""
TICK_SECONDS = 0.02
"""The writer sleeps for this time at least."""
SETTLE_SECONDS = 3.0
FULL_SPEED = 1e6
"""Orders per second that no machine reaches."""
TYPES = (
    "orders.order-placed.v1",
    "inventory.stock-reserved.v1",
    "payments.payment-captured.v1",
    "orders.order-confirmed.v1",
    "inventory.stock-committed.v1",
    "notifications.notification-sent.v1",
)
"""The events of a confirmed order."""
COUNT_FRAMES = """(ms) => new Promise((done) => {
    const begin = performance.now();
    const windows = [];
    const draw = (now) => {
        const number = Math.floor((now - begin) / 1000);
        windows[number] = (windows[number] ?? 0) + 1;
        if (now - begin < ms) requestAnimationFrame(draw);
        else done(windows.slice(0, Math.floor(ms / 1000)));
    };
    requestAnimationFrame(draw);
})"""
"""The frames that the browser has drawn in each second."""


@dataclass(frozen=True)
class Measured:
    """One rate."""

    written: float
    """Records per second that were asked for."""
    seen: float
    """Records per second that the page has counted."""
    frames: list[int]
    cpu: float
    """CPU of the server, in percent of one core."""
    megabytes: float

    @property
    def row(self) -> str:
        return (
            f"{self.written / len(TYPES):>8.0f} {self.written:>8.0f} {self.seen:>6.0f} "
            f"{sum(self.frames) / len(self.frames):>9.0f} "
            f"{min(self.frames):>7d} {self.cpu:>6.1f} {self.megabytes:>6.0f}"
        )


HEAD = "orders/s records/s  seen  frames/s   least  CPU %     MB"


@dataclass(frozen=True)
class Server:
    """The page's server."""

    process: psutil.Process
    port: int
    link: str
    """The link to its page."""

    @property
    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def most_megabytes(self) -> float:
        """The most memory that it has had until now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


# --- The server, in a process of its own ----------------------------------------------------------


@contextmanager
def served(kafka: KafkaAccess, url: str, folder: Path) -> Iterator[Server]:
    """The server while the block runs."""
    port = free_port()
    facts = {
        "kafka": {"bootstrap": kafka.bootstrap, "username": kafka.username, "password": kafka.password},
        "urls": {name: f"{url}/{name}" for name in SERVICES},
        "port": port,
    }
    file = folder / "target.json"
    file.write_text(json.dumps(facts))
    argv = [sys.executable, "-m", "tools.floor.tests.browser.server", str(file)]
    with subprocess.Popen(argv) as process:
        link = file.with_suffix(".link")
        while not link.is_file():
            assert process.poll() is None, "the server has ended"
            time.sleep(0.05)
        try:
            yield Server(psutil.Process(process.pid), port, link.read_text())
        finally:
            process.terminate()


@contextmanager
def visited(server: Server, cookie: str, pages: int) -> Iterator[None]:
    """So many pages are open while the block runs: every second one is the map, the others show an order."""
    paths = [f"/api/orders/{uuid4()}/stream" if number % 2 else "/api/stream" for number in range(pages)]
    argv = [sys.executable, "-m", "tools.floor.tests.browser.crowd", str(server.port), cookie, *paths]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield
        process.communicate()


# --- The log --------------------------------------------------------------------------------------


def write(kafka: KafkaAccess, rate: float, seconds: float) -> None:
    """Write orders, six events each, at a rate. Each order has an id of its own and the events of a confirmed one."""
    producer = Producer({**kafka.librdkafka, "linger.ms": 20})
    events = pattern()
    begin = time.monotonic()
    for number in range(round(rate * seconds)):
        ahead = begin + number / rate - time.monotonic()
        if ahead > TICK_SECONDS:
            producer.poll(0)
            time.sleep(ahead)
        key = order_id().encode()
        for event in events:
            send(producer, event, key)
    producer.flush(30)


def pattern() -> list[Event]:
    """The events of one order as the contracts have them."""
    topics, dice = topics_of(contracts()), Random(0)
    owner = {type_: topic.name for topic in TOPICS for type_ in topic.events}
    return [topics[owner[type_]].event(dice, type_).with_field("order_id", KEY.decode()) for type_ in TYPES]


def send(producer: Producer, event: Event, key: bytes) -> None:
    headers = {name.decode(): value for name, value in event.headers.items()}
    headers |= {"ce_subject": key, "ce_time": datetime.now(UTC).isoformat().encode()}
    value = (event.value or b"").replace(KEY, key)
    while True:
        try:
            producer.produce(event.topic, value, key, headers=list(headers.items()))
            return
        except BufferError:
            producer.poll(0.1)


@contextmanager
def written(file: Path, rate: float, seconds: float) -> Iterator[None]:
    """Orders are written by a process of its own while the block runs."""
    argv = [sys.executable, "-m", "tools.floor.tests.browser.frames", "--write", str(file)]
    argv += ["--rates", str(rate), "--seconds", str(seconds)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # It has begun: on a busy machine a process needs seconds to import what it uses.
        assert process.stdout.readline() == b"open\n"
        yield
        process.wait()


# --- The measurement ------------------------------------------------------------------------------


def records_of(page: Page) -> float:
    """The records that the server has counted for this page."""
    return float(page.evaluate("() => window.counted ?? 0"))


def measured(page: Page, server: Server, rate: float, seconds: float) -> Measured:
    """The page and its server for some seconds."""
    records, cpu, began = records_of(page), server.cpu_seconds, time.monotonic()
    frames = page.evaluate(COUNT_FRAMES, seconds * 1_000)
    took = time.monotonic() - began
    return Measured(
        rate * len(TYPES),
        (records_of(page) - records) / took,
        frames,
        100 * (server.cpu_seconds - cpu) / took,
        server.process.memory_info().rss / 1e6,
    )


def run(given: argparse.Namespace) -> None:
    """Measure each rate, and print its row."""
    stack = chosen_servers()
    services = Services()
    try:
        with tempfile.TemporaryDirectory() as name, serving(services.app()) as url:
            folder = Path(name)
            lab = stack.logins.of(LAB)
            writer = folder / "writer.json"
            writer.write_text(
                json.dumps({"bootstrap": lab.bootstrap, "username": lab.username, "password": lab.password})
            )
            write(lab, FULL_SPEED, given.log / len(TYPES) / FULL_SPEED)
            with served(stack.logins.of(ORACLE), url, folder) as server:
                print(HEAD)
                browse(server, writer, given)
                time.sleep(SETTLE_SECONDS + 3)
                before = server.cpu_seconds
                time.sleep(given.seconds)
                cpu = 100 * (server.cpu_seconds - before) / given.seconds
                print(f" no page {'':>27} {cpu:>6.1f}")
                print(f"The most memory of the server: {server.most_megabytes:.0f} MB")
    finally:
        stack.close()


def browse(server: Server, writer: Path, given: argparse.Namespace) -> None:
    """Open the page in a browser, and measure each rate."""
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1240, "height": 740})
        # The page's own stream is listened to once more, for the count of records.
        page.add_init_script(LISTEN)
        page.goto(server.link)
        page.get_by_role("heading", name="The floor").wait_for()
        (cookie,) = page.context.cookies()
        with visited(server, f"{cookie['name']}={cookie['value']}", given.pages):
            for rate in (float(rate) for rate in given.rates.split(",")):
                rounds = [measured_at(page, server, writer, rate, given.seconds) for _ in range(given.rounds)]
                print(middle(rounds).row, flush=True)
        browser.close()


def middle(rounds: Sequence[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(
        rounds[0].written,
        median(one.seen for one in rounds),
        [frame for one in rounds for frame in one.frames],
        median(one.cpu for one in rounds),
        median(one.megabytes for one in rounds),
    )


LISTEN = """
const Source = window.EventSource;
window.EventSource = class extends Source {
    constructor(...given) {
        super(...given);
        const count = (event) => {
            const { totals } = JSON.parse(event.data);
            window.counted = Object.values(totals.records).reduce((sum, one) => sum + one, 0);
        };
        this.addEventListener("frame", count);
    }
};
"""
"""Counts the records of the frames that the page gets."""


def measured_at(page: Page, server: Server, writer: Path, rate: float, seconds: float) -> Measured:
    """One rate, after some seconds in which everything comes to that rate."""
    if not rate:
        time.sleep(SETTLE_SECONDS)
        return measured(page, server, rate, seconds)
    with written(writer, rate, seconds + 3 * SETTLE_SECONDS):
        time.sleep(2 * SETTLE_SECONDS)
        return measured(page, server, rate, seconds)


def main() -> None:
    """Measure, or be the process that writes the log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="0,8,180,1000", help="orders per second, one after the other")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each rate is measured")
    parser.add_argument("--rounds", type=int, default=1, help="how often each rate is measured")
    parser.add_argument("--pages", type=int, default=0, help="pages that are open beside the browser")
    parser.add_argument("--log", type=int, default=0, help="records that Kafka has before")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        facts: dict[str, Any] = json.loads(given.write.read_text())
        print("open", flush=True)
        write(KafkaAccess(**facts), float(given.rates), given.seconds)
    else:
        run(given)


if __name__ == "__main__":
    os.environ.setdefault("SHOP_KAFKA_OPTIONS", "-XX:TieredStopAtLevel=1")
    main()
