"""The steps of a move, in both directions. Each may be done again, whether it was done completely, partly or not.

From `stop` to `open` no process of a service runs, and requests wait. Until `switch` is done the move can be undone,
because nothing has been taken away, and no process of the new shape has done anything.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from shop_stack import embedded, groups, kafka, parts, shapes, stack_files, venvs
from shop_stack.emancipation import bridge, copying, databases, journal, marks, processes, reading
from shop_stack.emancipation.databases import Place, place_of
from shop_stack.emancipation.journal import Journal
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.stack import KAFKA, Stack
from shop_stack.target import Target
from shop_stack.target import embedded as target_of

FEW = 500
"""Events. A pass that finds no more is the last one."""
MOST_PASSES = 5
"""The first pass has the whole outboxes, each later one what came during the one before."""

Verify = Callable[[Target], Awaitable[list[str]]]
"""Looks at the running shop. Returns what is wrong, one sentence each."""


@dataclass
class Move:
    """One module on its way from one shape to another."""

    before: Stack
    after: Stack
    journal: Journal
    report: embedded.Report
    verify: Verify
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    _bridge: bridge.Bridge | None = None

    @property
    def module(self) -> str:
        """The module that is moved."""
        return self.journal.module

    @property
    def apart(self) -> Stack:
        """The stack of the two shapes that has Kafka."""
        return self.before if self.journal.is_back else self.after

    @property
    def whole(self) -> Stack:
        """The stack of the two shapes that is a monolith."""
        return self.after if self.journal.is_back else self.before

    @property
    def group(self) -> str:
        """The name of the process and the database that has all other modules, while the module is alone."""
        return next(unit for unit in self.apart.units if unit != self.module)

    @property
    def monolith(self) -> str:
        """The name of the process and the database of the monolith."""
        return self.whole.units[0]

    async def database(self) -> str:
        """The name that the database of the group has now."""
        return await databases.name_now(self.before.server, self.monolith, self.group)

    async def bridge(self) -> bridge.Bridge:
        """The program that sends the outboxes of the monolith. It is started at the first call."""
        if self._bridge is None:
            python = groups.project_of(self.whole, self.monolith).python
            running = bridge.running(self.apart, python, await self.database())
            self._bridge = await self._closing.enter_async_context(running)
        return self._bridge

    async def close(self) -> None:
        """End the programs that this process has started for itself."""
        self._bridge = None
        await self._closing.aclose()

    def save(self) -> None:
        """Record how far the move has come."""
        journal.write(self.before.state, self.journal)


Step = Callable[[Move], Awaitable[None]]


async def prepare_out(move: Move) -> None:
    """Start Kafka with its topics and users, and make an empty database for the module."""
    for unit in move.after.units:
        move.report(unit, "environment")
        await venvs.ensure(groups.project_of(move.after, unit))
    move.report(KAFKA, "starting")
    await embedded.start(move.after, KAFKA)
    await parts.provision_kafka(move.after)
    move.report(KAFKA, "ready")
    await databases.provide_alone(move.after, move.module)
    move.report("database", f"ready: {move.module}")


async def prepare_back(move: Move) -> None:
    """Make an empty schema for the module beside those of the other modules."""
    move.report(move.monolith, "environment")
    await venvs.ensure(groups.project_of(move.after, move.monolith))
    await databases.provide_schema(move.after, move.module, await move.database())
    move.report("schema", f"ready: {move.module}")


async def publish_out(move: Move) -> None:
    """Send the outboxes of all modules to Kafka while the monolith runs, until little is left."""
    move.report("events", "sending")
    if not move.journal.marks:
        move.journal.marks.append(marks.first_mark(move.apart))
    for _ in range(MOST_PASSES):
        if await _send_up_to_now(move) <= FEW:
            break
    # The broker makes the topic of offsets at the first commit, which takes a second.
    await reading.to_kafka(move.before, move.after, await move.database(), move.journal.marks[:1])
    move.report("events", f"ready: {move.journal.sent} are in Kafka")


async def publish_back(move: Move) -> None:
    """Note a point up to which the relays have sent all events."""
    if not move.journal.marks:
        move.journal.marks.append(marks.first_mark(move.apart))
    move.journal.marks.append(await marks.wait_for_relays(move.before))
    move.report("events", "ready: all are in Kafka up to now")


async def hold(move: Move) -> None:
    """Keep the listening sockets, start the next processes, which wait for them, and note one more point."""
    await processes.hold(move.before)
    for unit in move.after.units:
        move.report(unit, "starting beside the process that runs")
        processes.launch(move.after, unit)
    await processes.until_they_wait(move.after)
    if move.journal.is_back:
        move.journal.marks.append(await marks.wait_for_relays(move.before))
    else:
        await _send_up_to_now(move)


async def stop(move: Move) -> None:
    """Stop the processes of the shape from before. From now on requests wait."""
    if not move.journal.frozen_at:
        move.journal.frozen_at = time.time()
        move.save()
    for unit in move.before.units:
        move.report(unit, "stopping: requests wait from now on")
    await processes.stop(move.before)
    for unit in move.before.units:
        move.report(unit, "stopped")


async def events_out(move: Move) -> None:
    """Send the rows that are left, and have relays and readers go on after them."""
    database = await move.database()
    reached = await marks.snapshot(move.before.server)
    move.journal.sent += await (await move.bridge()).send(move.journal.marks[-1].snapshot, reached)
    places = {name: place_of(move.before.shape, name, database) for name in SERVICES}
    await marks.note_sent(move.before.server, places, reached)
    await reading.to_kafka(move.before, move.after, database, move.journal.marks)
    await move.close()  # its sessions would be in the way of the database's new name


async def events_back(move: Move) -> None:
    """Have the readers go on in the database where they have stopped in Kafka."""
    await reading.to_database(move.before, move.after, await move.database(), move.journal.marks)


async def copy(move: Move) -> None:
    """Copy the rows of the module, and compare them."""
    source, target = await _places(move)
    move.journal.copied = await copying.copy_module(move.before.server, move.module, source, target)
    move.report("rows", f"ready: {move.journal.copied} of {move.module} are copied, and equal")


async def switch(move: Move) -> None:
    """Write down that the data is of the new shape. The database of the group gets its new name."""
    names = (move.group, move.monolith) if move.journal.is_back else (move.monolith, move.group)
    await databases.rename(move.before.server, *names)
    shapes.store(move.after.state, move.after.shape)
    stack_files.write_facts(move.after)


async def open_all(move: Move) -> None:
    """Give the sockets to the new processes. Requests are answered again."""
    # A command that was interrupted may have opened them. Without a keeper, connections were refused meanwhile.
    is_known = processes.keeper(move.after).process() is not None and not move.journal.is_opening
    move.journal.is_opening = True
    move.save()
    await processes.open_all(move.after)
    move.journal.waited = time.time() - move.journal.frozen_at if is_known else None
    for unit in move.after.units:
        move.report(unit, "ready")
    move.report("requests", f"ready: they {how_long(move.journal.waited)}")


def how_long(waited: float | None) -> str:
    """How long requests waited, after the word "requests"."""
    if waited is None:
        return "waited for a time that is not known, because the move was interrupted"
    return f"waited for at most {waited:.1f} s"


async def finish_out(move: Move) -> None:
    """Look at the shop once more, and drop the old schema."""
    await copying.analyze(move.after.server, place_of(move.after.shape, move.module))
    await _require_right(move)
    await databases.forget_schema(move.after, move.module, move.group)


async def finish_back(move: Move) -> None:
    """Look at the shop once more, and drop the old database and Kafka."""
    await copying.analyze(move.after.server, place_of(move.after.shape, move.module))
    await _require_right(move)
    await databases.drop(move.after.server, move.module)
    await remove_kafka(move)


async def remove_kafka(move: Move) -> None:
    """Stop Kafka, and delete its files. A monolith has none."""
    await embedded.stop(move.apart, KAFKA)
    shutil.rmtree(move.apart.state / KAFKA, ignore_errors=True)
    for name in (f"{KAFKA}.properties", kafka.CLUSTER_FILE):
        (move.apart.state / name).unlink(missing_ok=True)


async def undo(move: Move) -> None:
    """Have everything as it was before the move. It may be done again. `switch` must not be done."""
    move.report(move.module, "going back: everything becomes as before")
    await move.close()
    await processes.kill(move.after)
    names = (move.monolith, move.group) if move.journal.is_back else (move.group, move.monolith)
    await databases.rename(move.before.server, *names)
    shapes.store(move.before.state, move.before.shape)
    stack_files.write_facts(move.before)
    await processes.open_all(move.before)
    if move.journal.is_back:
        await databases.forget_schema(move.before, move.module, move.group)
    else:
        await databases.drop(move.before.server, move.module)
        await remove_kafka(move)


OUT: Mapping[str, Step] = {
    "prepare": prepare_out,
    "publish": publish_out,
    "hold": hold,
    "stop": stop,
    "events": events_out,
    "copy": copy,
    "switch": switch,
    "open": open_all,
    "finish": finish_out,
}
BACK: Mapping[str, Step] = {
    **OUT,
    "prepare": prepare_back,
    "publish": publish_back,
    "events": events_back,
    "finish": finish_back,
}


async def _send_up_to_now(move: Move) -> int:
    """Send what is new in the outboxes of the monolith, and note the mark. Returns how many events there were."""
    mark, sent = await marks.send_up_to_now(move.apart, await move.bridge(), move.journal.marks[-1])
    move.journal.marks.append(mark)
    move.journal.sent += sent
    move.save()
    return sent


async def _places(move: Move) -> tuple[Place, Place]:
    """Where the module's tables are, and where they go."""
    database = await move.database()
    alone = place_of(move.apart.shape, move.module)
    in_group = place_of(move.whole.shape, move.module, database)
    return (alone, in_group) if move.journal.is_back else (in_group, alone)


async def _require_right(move: Move) -> None:
    """Raise UserError if the running shop is wrong. The old tables are kept then."""
    move.report("oracle", "looking")
    if wrong := await move.verify(target_of(move.after.state)):
        raise UserError(
            f"The module {move.module} runs in its new place, but the shop is not right ({wrong[0]}): its old tables "
            "are kept. See `shop check`."
        )
    move.report("oracle", "ready: no invariant is violated")
