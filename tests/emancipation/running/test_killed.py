"""The command is killed after each of its steps: the same command finishes the move, the other one undoes it."""

from collections.abc import Iterator, Sequence

import asyncpg
import pytest

from shop_stack import embedded
from shop_stack.emancipation import journal, steps
from shop_stack.emancipation.run import POINT_OF_NO_RETURN
from shop_stack.errors import UserError
from shop_stack.shapes import Shape
from shop_stack.stack import KAFKA, Stack
from shop_stack.target import embedded as target_of
from testkit.shops import running_shop
from tests.emancipation.command import emancipate, killed_after
from tests.saga.floor import Floor

MODULE = "notifications"
APART = Shape.with_others(f"{MODULE} | orders+inventory+payments+analytics")
WHOLE = Shape.parse("monolith")
KILLED_AFTER = [step for step in steps.OUT if step != "finish"]
UNDONE_AFTER = KILLED_AFTER[: KILLED_AFTER.index(POINT_OF_NO_RETURN)]
ORDERS = 12


@pytest.fixture(scope="module")
def state() -> Iterator[Stack]:
    with running_shop("killed-moves", shape=WHOLE) as (stack, _):
        yield stack


async def databases_of(stack: Stack) -> Sequence[str]:
    async with stack.server.connected() as connection:
        found = await connection.fetch("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")
    return [row["datname"] for row in found if row["datname"] != "postgres"]


async def assert_right(stack: Stack, shape: Shape, run: int) -> None:
    """The shop has this shape and nothing of the other one, takes orders, and the oracle finds nothing."""
    stack = embedded.stack(stack.state)
    assert stack.shape == shape
    assert await databases_of(stack) == sorted(stack.units)
    assert (stack.state / KAFKA).exists() is shape.has_kafka
    assert journal.read(stack.state) is None
    running = {unit for unit in (*WHOLE.units, *APART.units) if stack.daemon(unit).process()}
    assert running == set(shape.units)
    floor = Floor(stack, target_of(stack.state), iter(range(run, run + 1)))
    await floor.serve(floor.run(ORDERS))
    await floor.assert_that_the_oracle_holds()


async def roles_can_connect(stack: Stack, database: str) -> bool:
    roles = stack.passwords.roles(MODULE)
    try:
        connection = await asyncpg.connect(stack.server.url(database, roles.name, roles.password))
    except asyncpg.InsufficientPrivilegeError:
        return False
    await connection.close()
    return True


@pytest.mark.parametrize("step", KILLED_AFTER)
async def test_a_move_that_was_killed_is_finished_by_the_same_command(state: Stack, step: str) -> None:
    number = 100 + 10 * KILLED_AFTER.index(step)
    await killed_after(state, step, MODULE)
    assert (await emancipate(state, MODULE))["resumed"] is True
    await assert_right(state, APART, number)
    group = next(unit for unit in APART.units if unit != MODULE)
    assert not await roles_can_connect(state, group)
    await killed_after(state, step, MODULE, "--back")
    assert (await emancipate(state, MODULE, "--back"))["resumed"] is True
    await assert_right(state, WHOLE, number + 1)


@pytest.mark.parametrize("step", UNDONE_AFTER)
async def test_a_move_that_was_killed_is_undone_by_the_command_of_the_other_direction(
    state: Stack, step: str
) -> None:
    number = 300 + 10 * UNDONE_AFTER.index(step)
    await killed_after(state, step, MODULE)
    assert (await emancipate(state, MODULE, "--back"))["undone"] is True
    await assert_right(state, WHOLE, number)
    await emancipate(state, MODULE)
    await killed_after(state, step, MODULE, "--back")
    assert (await emancipate(state, MODULE))["undone"] is True
    await assert_right(state, APART, number + 1)
    await emancipate(state, MODULE, "--back")


async def test_a_move_that_cannot_be_undone_any_more_is_finished_and_then_made_backwards(
    state: Stack,
) -> None:
    await killed_after(state, POINT_OF_NO_RETURN, MODULE)
    printed = await emancipate(state, MODULE, "--back")
    assert (printed["undone"], printed["shape"]) == (False, "monolith")
    await assert_right(state, WHOLE, 500)


async def test_nothing_else_starts_a_shop_in_the_middle_of_a_move_and_down_stops_all_of_it(
    state: Stack,
) -> None:
    await killed_after(state, "stop", MODULE)
    stack = embedded.stack(state.state)
    with pytest.raises(UserError, match=f"`shop emancipate {MODULE}` finishes it"):
        await embedded.up(stack)
    with pytest.raises(UserError, match=f"`shop emancipate {MODULE} --back` undoes it"):
        await embedded.start(stack, "monolith")
    await embedded.down(stack)
    left = [each.stem for each in (stack.state / "run").glob("*.json")]
    assert left == []
    await emancipate(state, MODULE)
    await assert_right(state, APART, 600)
    await emancipate(state, MODULE, "--back")
