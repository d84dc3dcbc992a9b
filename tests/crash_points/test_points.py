"""The import hook finds each place where the chassis may wait, and changes nothing else."""

import ast
import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from shop_stack import paths
from tests.crash_points.points import REACH, marked, points_of
from tests.crash_points.unreached import REASONS, UNKNOWN, reason_of

CHASSIS = paths.repository() / "libs" / "chassis" / "src"
MODULE = "chassis.outbox.planted"
SOURCE = """
import asyncio

async def double(number):
    await asyncio.sleep(0)
    return 2 * number

class Thing:
    async def both(self, lock, numbers):
        found = []
        async with lock, asyncio.timeout(9):
            async for number in numbers():
                found.append(await double(await double(number)))
        return found
"""


async def numbers() -> Any:
    for number in (1, 2):
        yield number


def run_marked(source: str) -> tuple[list[Any], list[str]]:
    """What `Thing.both` returns with its points, and the points in the order in which they were reached."""
    reached: list[str] = []

    def reach(point: str, awaitable: Any = None) -> Any:
        reached.append(point.removeprefix(f"{MODULE}:"))
        return awaitable

    tree, _ = marked(MODULE, source)
    names: dict[str, Any] = {REACH: reach}
    exec(compile(tree, "planted.py", "exec"), names)

    async def both() -> list[Any]:
        found: list[Any] = await names["Thing"]().both(asyncio.Lock(), numbers)
        return found

    return asyncio.run(both()), reached


def test_a_module_with_points_gives_the_same_results() -> None:
    assert run_marked(SOURCE)[0] == [4, 8]


def test_each_await_and_async_statement_is_reached_in_its_order() -> None:
    inner = ["Thing.both:4", "double:1", "Thing.both:3", "double:1"]
    assert run_marked(SOURCE)[1] == ["Thing.both:1", "Thing.both:2", *inner, *inner]


def test_a_point_keeps_its_name_when_lines_move() -> None:
    _, points = marked(MODULE, SOURCE)
    _, moved = marked(MODULE, "\n# a comment\n" + SOURCE)
    assert [point.name for point in points] == [point.name for point in moved]
    assert [point.line + 2 for point in points] == [point.line for point in moved]


@pytest.mark.parametrize(
    ("module", "source", "has_points"),
    [
        ("chassis.kafka.any", "", True),
        ("chassis.new_room.any", "import aiokafka\n", True),
        ("chassis.web.any", "from chassis.postgres import Pool\n", True),
        ("chassis.web.any", "import chassis.outbox.rows\n", True),
        ("chassis.web.any", "import fastapi\n", False),
        ("chassis.web.any", "from chassis.kafkaesque import any\n", False),
        ("orders.handlers", "import asyncpg\n", False),
    ],
)
def test_a_module_has_points_if_it_is_messaging_or_database_code(
    module: str, source: str, has_points: bool
) -> None:
    _, points = marked(module, f"{source}async def f():\n    await g()\n")
    assert [point.name for point in points] == ([f"{module}:f:1"] if has_points else [])


def awaits_in(files: Sequence[str]) -> int:
    """The awaits and asynchronous statements of some files of the chassis, counted without the import hook."""
    kinds = ast.Await | ast.AsyncWith | ast.AsyncFor
    trees = [ast.parse((CHASSIS / "chassis" / file).read_text()) for file in files]
    return sum(isinstance(node, kinds) for tree in trees for node in ast.walk(tree))


def test_every_await_of_the_inbox_the_consumer_and_the_relay_is_a_point() -> None:
    files = ("inbox/inbox.py", "kafka/consumer.py", "outbox/relay.py", "outbox/transactions.py")
    modules = {"chassis." + file.removesuffix(".py").replace("/", ".") for file in files}
    found = [name for name in points_of(CHASSIS) if name.partition(":")[0] in modules]
    assert len(found) == awaits_in(files) > 60


def test_each_reason_belongs_to_a_point_of_the_chassis() -> None:
    names = points_of(CHASSIS)
    assert [place for place in REASONS if not any(name.startswith(place) for name in names)] == []


def test_a_point_without_a_reason_says_what_to_do() -> None:
    _, (point, *_) = marked(MODULE, SOURCE)
    assert reason_of(point) == UNKNOWN
    assert re.search(r"\w+\.py", UNKNOWN)
