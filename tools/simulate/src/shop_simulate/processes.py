"""A process of a service: its database, inbox, relay and jobs. It can die at any commit."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import is_unavailable
from chassis.events import RawMessage
from chassis.inbox import Inbox, PartlyTaken
from chassis.jobs import Jobs
from chassis.outbox import Database, OutboxRow, Relay, Transaction
from chassis.outbox.leases import LEASE_SECONDS, RelayPosition
from chassis.postgres import Driver, connect
from shop_simulate.clock import Clock
from shop_simulate.databases import SimulatedDatabase
from shop_simulate.services import ServiceParts
from shop_simulate.transport import Transport
from shop_simulate.work import Fate, ProcessDied, Work
from shop_stack.errors import UserError

PAGE = 2
"""Rows of the outbox that a relay sends at once. With so few, a few events need several pages."""

STATEMENT_SECONDS = 60.0
"""Real seconds for a statement. On a busy machine PostgreSQL may be slow, and that is no fault of a schedule."""


class SteppedDatabase(Database):
    """The service's database. A transaction begins when the scheduler lets it, and may end with the process."""

    def __init__(self, url: str, process: Process, clock: Clock) -> None:
        super().__init__(url, 1, process.on_commit, statement_seconds=STATEMENT_SECONDS)
        self._process = process
        self._clock = clock
        self._told: tuple[Driver, float] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction of the service, at the simulated time. Raises ProcessDied if that is its fate."""
        fate = await self._process.turn()
        await self._tell_time()
        try:
            async with super().transaction() as tx:
                yield tx
                if fate is Fate.DIES_BEFORE:
                    raise ProcessDied
            if fate is Fate.DIES_AFTER:
                raise ProcessDied
        except ProcessDied:
            # After the rollback, so that the connection can be used again.
            self._process.lose_current()
            raise

    async def _tell_time(self) -> None:
        """Set the time of the session if it is another one, before the transaction: a rollback would undo it."""
        async with self.reading() as connection:
            told = connection.driver, self._clock.seconds
            if told != self._told:
                await connection.driver.execute(self._clock.setting)
                self._told = told


class Process:
    """The only process of a service. After it has died, it is built anew.

    Call `connect` first, `remember` once, and `reset` before each schedule.
    """

    def __init__(
        self, parts: ServiceParts, database: SimulatedDatabase, clock: Clock, transport: Transport
    ) -> None:
        self.parts = parts
        self.name = parts.name
        self.transport = transport
        self.faults: list[str] = []
        """Errors that no part of a service should raise."""
        self.woken: set[str] = set()
        """The jobs that have something to do, or may have: they were woken, or time has passed since their last run."""
        self._clock = clock
        self._url = database.url
        self.database = SteppedDatabase(database.url, self, clock)
        self._written_at: dict[str, datetime] = {}
        self._unsent: set[str] = set()
        self._current: Work | None = None
        self._running: dict[str, Work] = {}
        self._leased_until = 0.0
        self._relay_connection: Driver
        self._first_lease: tuple[UUID, dict[int, RelayPosition]]
        self._build()

    def _build(self) -> None:
        # One failed try is enough for a dead letter, which the report then shows.
        self._inbox = Inbox(self.database, self.name, self.parts.subscriptions, max_attempts=1)
        self.jobs: Jobs = self.parts.make_jobs()
        self._relay = Relay(self._url, self._send, page=PAGE)

    async def connect(self) -> None:
        """Connect the relay."""
        self._relay_connection = await connect(self._url, STATEMENT_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        await self._relay_connection.close()
        await self.database.close()

    async def remember(self) -> None:
        """Keep the leases of the relay. `reset` gives them to the relay again."""
        await self.save_positions()
        self._first_lease = self._relay.leases.owner, dict(self._relay.leases.positions)

    async def reset(self, transport: Transport) -> None:
        """Be as after `remember`. The caller has reset the database and the clock."""
        await self.die()
        self.transport = transport
        self.faults = []
        self.woken = set()
        self._written_at = {}
        self._unsent = set()
        self._leased_until = LEASE_SECONDS
        self._relay.leases.owner, positions = self._first_lease
        self._relay.leases.positions = dict(positions)
        self._relay.leases.fence.until = math.inf

    # --- Called by the scheduler ------------------------------------------------------------------

    async def handle(self, messages: Sequence[RawMessage], fate: Fate) -> Sequence[RawMessage] | None:
        """Pass messages to the inbox. Returns those that must be delivered again; None if the process has died."""
        left: list[RawMessage] = []

        async def process() -> None:
            try:
                await self._inbox.process(messages)
            except PartlyTaken as partly:
                left.extend(partly.messages)

        return left if await self.finish(process(), fate, "an event") else None

    async def finish(self, coroutine: Coroutine[Any, Any, Any], fate: Fate, what: str) -> bool:
        """Do a piece of work to its end. `fate` is that of its first transaction. Returns whether the process lives."""
        work = Work(coroutine)
        while not await self._step(work, fate, what):
            fate = Fate.LIVES
        return self._current is not None

    async def run_job(self, name: str, fate: Fate) -> None:
        """Run a job until after its next transaction. A run that has begun goes on."""
        self.woken.discard(name)
        work = self._running.pop(name, None) or Work(self._run(name))
        if not await self._step(work, fate, f"the job {name}"):
            self._running[name] = work

    async def _run(self, name: str) -> None:
        await self.jobs[name].run(self.database)

    def is_running(self, name: str) -> bool:
        """Whether a job has begun and waits before its next transaction."""
        return name in self._running

    @property
    def can_send(self) -> bool:
        """Whether the outbox has rows that were never sent, and the relay has leases or may acquire them."""
        has_leases = bool(self._relay.leases.positions) or self._clock.seconds > self._leased_until
        return bool(self._unsent) and has_leases

    async def relay_page(self) -> int:
        """Send a page of the outbox. Returns the number of sent rows.

        The position is not saved: a process that dies sends the rows again.
        """
        before = len(self.transport.entries)
        if not self._relay.leases.positions:
            await self.save_positions()
        await self._relay.relay_once(self._relay_connection)
        return len(self.transport.entries) - before

    async def save_positions(self) -> None:
        """Save the positions of the relay, and renew its leases or acquire free ones."""
        await self._relay_connection.execute(self._clock.setting)
        await self._relay.leases.renew(self._relay_connection)
        self._relay.leases.fence.until = math.inf  # it would close by the real time
        if self._relay.leases.positions:
            self._leased_until = self._clock.seconds + LEASE_SECONDS

    async def die(self) -> None:
        """End all work of the process, and start the next process."""
        ended = [*self._running.values(), *([self._current] if self._current else [])]
        self._current = None
        self._running = {}
        for work in ended:
            await work.cancel()
        self._build()
        self.woken = set(self.jobs)

    def time_passed(self) -> None:
        """Note that the clock was moved: each job may have something to do."""
        self.woken = set(self.jobs)

    # --- Called by the parts of the service -------------------------------------------------------

    async def turn(self) -> Fate:
        """Wait for the scheduler. Raises ProcessDied if the process has died."""
        if self._current is None:
            raise ProcessDied
        return await self._current.turn()

    def lose_current(self) -> None:
        """Note that the process has died in the current transaction."""
        assert self._current is not None
        self._current.die()

    def on_commit(self, tx: Transaction) -> None:
        """Note the time of each event, and the jobs that were woken."""
        self.woken |= tx.wakes & self.jobs.keys()
        for row in tx.rows:
            self._written_at[str(row.event_id)] = self._clock.now
            self._unsent.add(str(row.event_id))

    async def _send(self, rows: Sequence[OutboxRow]) -> None:
        self.transport.append(self.name, rows, self._written_at)
        self._unsent -= {str(row.event_id) for row in rows}

    async def _step(self, work: Work, fate: Fate, what: str) -> bool:
        """Let work go on. Returns whether it has ended. The process may have died then: `_current` is None."""
        self._current = work
        try:
            return await work.step(fate)
        except ProcessDied:
            await self.die()
        except Exception as error:
            if is_unavailable(error):
                # No schedule makes PostgreSQL unavailable, so there is nothing to judge.
                raise UserError(
                    f"PostgreSQL does not work as a simulation needs it ({error!r}): try again."
                ) from error
            self.faults.append(f"{self.name}: {what} raises {error!r}")
        return True
