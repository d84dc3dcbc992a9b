"""A canary that is no worse is deployed by itself, and one that cannot read its messages is withdrawn by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_lab.canary.judgement import Decision
from shop_lab.canary.run import Outcome, Trial
from shop_stack import deployments, handover
from shop_stack.deployments import Deployed
from shop_stack.stack import Stack
from shop_stack.target import embedded as target_of
from testkit.release_copies import copied_release, replace_main
from testkit.shops import running_shop
from tests.skew.planted import READER, WRITER, forbid_unknown_properties, replace_in_events

SECONDS = 20.0
RATE = 12.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_shop("canary") as (stack, _):
        yield stack


async def tried(stack: Stack, release: Deployed, rate: float = RATE) -> Outcome:
    """Try a release. Its process has ended afterwards."""
    outcome = await Trial(stack, target_of(stack.state), release, lambda _: None, SECONDS, rate).carry_out()
    assert handover.second_daemon(stack, release.service, handover.CANARY).process() is None
    return outcome


async def test_a_canary_that_is_no_worse_is_promoted(stack: Stack, tmp_path: Path) -> None:
    with copied_release(READER, tmp_path) as release:
        try:
            outcome = await tried(stack, release)
            assert outcome.is_promoted, outcome.as_json()
            assert outcome.canary.messages > 0
            assert outcome.others.messages > 0
            assert stack.deployment(READER).now == release
        finally:
            await deployments.deploy(stack, deployments.clone(READER))


async def test_a_canary_that_cannot_read_its_messages_is_withdrawn(stack: Stack, tmp_path: Path) -> None:
    """It reads only orders without `version`, as a release that follows another contract does."""
    with copied_release(READER, tmp_path) as release:
        forbid_unknown_properties(release)
        replace_in_events(release, "    confirmed_at: datetime\n", "")
        outcome = await tried(stack, release)
    assert outcome.judgement.decision is Decision.WITHDRAW, outcome.as_json()
    assert "became dead letters" in outcome.judgement.reason
    assert outcome.others.dead_letters == 0
    assert stack.deployment(READER).now.is_clone


async def test_a_canary_that_ends_at_once_is_withdrawn(stack: Stack, tmp_path: Path) -> None:
    with copied_release(READER, tmp_path) as release:
        replace_main(release, "raise SystemExit('planted')\n")
        outcome = await tried(stack, release)
    assert outcome.judgement.decision is Decision.WITHDRAW
    assert "it ended right after its start (planted)" in outcome.judgement.reason


async def test_a_canary_without_messages_is_withdrawn_because_nothing_is_known(
    stack: Stack, tmp_path: Path
) -> None:
    with copied_release(WRITER, tmp_path) as release:
        outcome = await tried(stack, release, rate=0)
    assert outcome.judgement.decision is Decision.WITHDRAW
    assert "handled only 0 messages" in outcome.judgement.reason
