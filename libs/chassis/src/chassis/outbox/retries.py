"""Tries rows that were set aside, at the same time as the relay sends its pages.

A try of a topic that accepts no rows can take as long as the transport's time limit. The pages of other topics do not
wait for it: a try has its own connection to the database and its own transport.
"""

from collections.abc import Awaitable, Callable

from chassis.backoff import wait_for_event
from chassis.outbox.leased_sending import LeasedSending, Send
from chassis.outbox.leases import ShardLeases
from chassis.outbox.set_aside import SetAside
from chassis.postgres import Driver


class Retries:
    """The tries of one relay. `connect` opens a connection to the service's database."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Driver]],
        leases: ShardLeases,
        set_aside: SetAside,
        send: Send,
    ) -> None:
        self._connect = connect
        self._leases = leases
        self._set_aside = set_aside
        self._sending = LeasedSending(leases, send)

    async def run(self) -> None:
        """Try rows whenever they are due, until cancelled.

        Raises if the database or the transport is unavailable; then call it again.
        """
        while True:
            await self._set_aside.has_delayed.wait()
            connection = await self._connect()
            try:
                while self._set_aside.has_delayed.is_set():
                    self._set_aside.loaded.clear()
                    if not await self.once(connection):
                        await wait_for_event(self._set_aside.loaded, self._set_aside.seconds_to_next_try())
            finally:
                connection.terminate()

    async def once(self, connection: Driver) -> bool:
        """Try the DELAYED rows that are due. Returns whether more are due.

        No shard is released meanwhile (`ShardLeases.shards_lock`), so no other relay sends the same rows.
        """
        topics = self._set_aside.due()
        if not topics:
            return False
        await self._leases.up_to_date.wait()
        async with self._leases.shards_lock:
            shards = self._leases.positions.keys()
            pages = {topic: await self._set_aside.next_rows(connection, shards, topic) for topic in topics}
            rows = {id: row for page in pages.values() for id, row in page.items()}
            unsent = await self._sending.send(connection, rows)
            async with self._set_aside.changing:
                for topic, page in pages.items():
                    left = [each for each in unsent if each.row.topic == topic]
                    await self._set_aside.record(connection, topic, page, left)
                await self._set_aside.load(connection, shards)
        return bool(self._set_aside.due())
