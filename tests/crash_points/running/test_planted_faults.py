"""Two planted faults of the consumer are found by strikes at the points between a message and its offset.

The same strikes find nothing in the code as it is. These tests prove that the strikes can find a lost message.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from shop_lab.testbed import TRACED, fresh_testbed
from shop_stack import venvs
from shop_stack.deployed import Deployed
from testkit.release_copies import copied_release
from tests.crash_points.injection import CANCEL, KILL
from tests.crash_points.matrix import SETTINGS, Matrix, Shop
from tests.crash_points.subject import Trial
from tests.crash_points.verdicts import Outcome

SERVICE = "payments"
CONSUMER = Path("libs/chassis/src/chassis/kafka/consumer.py")
TAKES = "            await self._inbox.process(messages_of(records))\n"
OFFSET_BEFORE_COMMIT = (
    TAKES,
    f"            self._offsets.mark_taken(records)\n            await self._offsets.commit()\n{TAKES}",
)
ACKNOWLEDGED_ON_EXCEPTION = (
    "        else:\n            fetcher.reset_pauses(records)\n",
    "        else:\n            fetcher.reset_pauses(records)\n"
    "        finally:\n            self._offsets.mark_taken(records)\n",
)
INSIDE = "chassis.inbox.inbox:Inbox._claim:1"
"""A point with a message in hand: its transaction has begun, and no row is written."""


def trials(kind: str) -> list[Trial]:
    """Strikes at the point with a message in hand, one after another: each of them may lose messages."""
    return [Trial(SERVICE, kind, INSIDE, occurrence) for occurrence in (1, 2, 3)]


@asynccontextmanager
async def shop_with(releases: Sequence[Deployed]) -> AsyncIterator[Shop]:
    async with fresh_testbed(
        lambda *_: None, "planted-crash-points", 1_000, {**TRACED, **SETTINGS}, releases
    ) as testbed:
        yield Shop(testbed.stack, testbed.target, testbed.kafka)


async def outcomes_of(releases: Sequence[Deployed], kind: str) -> tuple[set[Outcome], list[str]]:
    """The outcomes of the trials, and all that the oracle has found."""
    async with Matrix(partial(shop_with, releases), print) as matrix:
        runs = await matrix.carry_out(trials(kind))
    return {run.outcome for run in runs}, [sentence for run in runs for sentence in run.found]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        pytest.param(*OFFSET_BEFORE_COMMIT, KILL, id="offset-before-the-transaction"),
        pytest.param(*ACKNOWLEDGED_ON_EXCEPTION, CANCEL, id="acknowledged-on-an-exception"),
    ],
)
async def test_a_planted_fault_is_found(tmp_path: Path, old: str, new: str, kind: str) -> None:
    with copied_release(SERVICE, tmp_path) as release:
        file = release.folder / CONSUMER
        assert file.read_text().count(old) == 1
        file.write_text(file.read_text().replace(old, new))
        await venvs.ensure(release.project)
        outcomes, found = await outcomes_of([release], kind)
    assert Outcome.VIOLATED in outcomes
    assert any(sentence.startswith("invariant 6") for sentence in found), found


async def test_the_code_as_it_is_holds_at_the_same_points() -> None:
    for kind in (KILL, CANCEL):
        assert await outcomes_of([], kind) == ({Outcome.HOLDS}, [])
