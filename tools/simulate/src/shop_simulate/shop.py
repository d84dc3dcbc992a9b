"""The simulated shop: all services on one log, and the choices that the scheduler has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import inventory.handlers
import orders.handlers
from orders.domain import Item, OrderAlreadyEnded
from shop_observe.contract import Contract
from shop_observe.history import Request
from shop_observe.topics import Topic, all_topics
from shop_simulate.choices import STOCK, Answering, Choice
from shop_simulate.clock import Clock
from shop_simulate.databases import SimulatedDatabase
from shop_simulate.processes import Process
from shop_simulate.processor import SimulatedProcessor
from shop_simulate.services import parts_of_all
from shop_simulate.transport import Lane, Transport
from shop_simulate.work import Fate
from shop_stack import paths

PRICE_MINOR = 500
CUSTOMER = "customer"
TIME_LIMIT = timedelta(seconds=60)
"""The time after which a PENDING order is cancelled."""


class Shop:
    """All services, and the outside world: customers, the card processor, the log, the clock."""

    def __init__(self, databases: Sequence[SimulatedDatabase]) -> None:
        contracts = paths.contracts()
        self.topics: Sequence[Topic] = all_topics(contracts)
        self.clock = Clock()
        self.processor = SimulatedProcessor()
        self.transport = Transport(self.topics, Contract(contracts, self.topics))
        self.databases = {database.service: database for database in databases}
        self.processes = {
            parts.name: Process(parts, self.databases[parts.name], self.clock, self.transport)
            for parts in parts_of_all(self.processor)
        }
        self.order_ids: dict[str, UUID] = {}
        """Number of an order → its id, for each order whose transaction was committed."""
        self.requests: list[Request] = []
        self._first_transport = self.transport
        self._first_requests: list[Request] = []

    async def open(self) -> None:
        """List the products, and remember this state. Each schedule begins with it."""
        for process in self.processes.values():
            await process.connect()
            await process.save_positions()
        for sku, on_hand in STOCK.items():
            await self._list(sku, on_hand)
        while await self.processes["inventory"].relay_page():
            pass
        for group in self.processes:
            await self.deliver(group, self.transport.unread_lanes(group), Fate.LIVES)
        for name, process in self.processes.items():
            await process.remember()
            await self.databases[name].remember()
        self._first_transport = self.transport.copy()
        self._first_requests = self.requests

    async def reset(self) -> None:
        """Be as after `open`."""
        self.clock.reset()
        self.processor.reset()
        self.transport = self._first_transport.copy()
        self.order_ids = {}
        self.requests = list(self._first_requests)
        for process in self.processes.values():
            await process.reset(self.transport)
        await asyncio.gather(*(database.reset() for database in self.databases.values()))

    async def close(self) -> None:
        """Close all connections of the services."""
        for process in self.processes.values():
            await process.close()

    def label_of(self, key: str) -> str:
        """The number of the order with this id, or the key itself."""
        return next((number for number, id in self.order_ids.items() if str(id) == key), key)

    def key_of(self, label: str) -> str:
        """The key that a label stands for."""
        return str(self.order_ids.get(label, label))

    async def do(self, choice: Choice) -> bool:
        """Carry out a choice. Returns whether it was possible; otherwise nothing has happened."""
        self.clock.tick()
        match choice:
            case ("place", number, sku, quantity, card, *fate):
                return await self._place(number, Item(sku, int(quantity)), card, fate_of(fate))
            case ("cancel", number, *fate):
                return await self._cancel(number, fate_of(fate))
            case ("replenish", sku, quantity):
                return await self._change(
                    inventory.handlers.replenish_product, sku=sku, quantity=int(quantity)
                )
            case ("price", sku, price):
                change = {"sku": sku, "price_minor": int(price), "currency": "EUR"}
                return await self._change(inventory.handlers.price_product, **change)
            case ("relay", service):
                return await self.processes[service].relay_page() > 0
            case ("save", service):
                await self.processes[service].save_positions()
                return True
            case ("deliver", group, "all", *fate):
                return await self.deliver(group, self.transport.unread_lanes(group), fate_of(fate))
            case ("deliver", group, topic, label, *fate):
                return await self.deliver_next(Lane(group, topic, self.key_of(label)), fate_of(fate))
            case ("redeliver" | "swap" as what, group, topic, label):
                return self._disorder(what, Lane(group, topic, self.key_of(label)))
            case ("job", service, name, *words):
                return await self.run_job(self.processes[service], name, words)
            case ("kill", service):
                await self.processes[service].die()
                return True
            case ("wait", seconds):
                self.let_pass(float(seconds))
                return True
        raise ValueError(f"{' '.join(choice)!r} is no choice")

    def let_pass(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)
        for process in self.processes.values():
            process.time_passed()

    async def deliver_next(self, lane: Lane, fate: Fate) -> bool:
        """Deliver the next record of a lane."""
        messages = self.transport.unread(lane)[:1]
        return bool(messages) and await self._deliver(lane.group, {lane: messages}, fate)

    async def deliver(self, group: str, lanes: Sequence[Lane], fate: Fate) -> bool:
        """Deliver all unread records of these lanes as one batch. Returns whether there were any."""
        unread = {lane: self.transport.unread(lane) for lane in lanes}
        return bool(unread) and await self._deliver(group, unread, fate)

    async def _deliver(self, group: str, unread: dict[Lane, Any], fate: Fate) -> bool:
        messages = [message for records in unread.values() for message in records]
        left = await self.processes[group].handle(messages, fate)
        if left is None:  # the process died before it committed an offset
            return True
        for lane, records in unread.items():
            places = [place for place, message in enumerate(records) if message in left]
            self.transport.commit(lane, min(places, default=len(records)))
        return True

    async def run_job(self, process: Process, name: str, words: Sequence[str]) -> bool:
        """Run a job until after its next transaction. `words` are those of Fate and of Answering."""
        if name not in process.woken and not process.is_running(name):
            return False
        self.processor.answering = next(
            (Answering(word) for word in words if word in set(Answering)), Answering.ANSWERS
        )
        await process.run_job(name, fate_of(words))
        return True

    async def _place(self, number: str, item: Item, card: str, fate: Fate) -> bool:
        if number in self.order_ids:
            return False
        database = self.processes["orders"].database
        order = orders.handlers.PlaceOrder(CUSTOMER, [item], "EUR", card, TIME_LIMIT, most_pending=100)
        ids: list[UUID] = []

        async def request() -> None:
            async with database.transaction() as tx:
                ids.append((await orders.handlers.place_order(tx, order)).order_id)

        lives = await self.processes["orders"].finish(request(), fate, "a request for an order")
        if fate is not Fate.DIES_BEFORE:
            self.order_ids[number] = ids[0]
        if lives:
            self._note("place-order", 202, key=number, order_id=str(ids[0]))
        return True

    async def _cancel(self, number: str, fate: Fate) -> bool:
        order_id = self.order_ids.get(number)
        if order_id is None:
            return False
        answers: list[int] = []

        async def request() -> None:
            try:
                async with self.processes["orders"].database.transaction() as tx:
                    await orders.handlers.cancel_order(tx, order_id, CUSTOMER)
            except OrderAlreadyEnded:
                answers.append(409)
            else:
                answers.append(202)

        if await self.processes["orders"].finish(request(), fate, "a cancellation"):
            self._note("cancel-order", answers[0], subject=str(order_id))
        return True

    async def _list(self, sku: str, on_hand: int) -> None:
        product: dict[str, Any] = {"sku": sku, "name": sku.title(), "price_minor": PRICE_MINOR}
        await self._change(inventory.handlers.list_product, **product, currency="EUR", on_hand=on_hand)
        self._note("list-product", 201, subject=sku, quantity=on_hand)

    async def _change(self, handler: Any, **values: Any) -> bool:
        process = self.processes["inventory"]

        async def request() -> None:
            async with process.database.transaction() as tx:
                await handler(tx, **values)

        await process.finish(request(), Fate.LIVES, "a request for a product")
        return True

    def _note(self, operation: str, status: int, **fields: Any) -> None:
        at = self.clock.now.timestamp()
        request: dict[str, Any] = {"key": "", "subject": "", "scenario": "", "quantity": 0} | fields
        number = len(self.requests)
        self.requests.append(
            Request("simulation", number, operation, asked_at=at, answered_at=at, status=status, **request)
        )

    def _disorder(self, what: str, lane: Lane) -> bool:
        if what == "swap":
            possible = len(self.transport.unread(lane)) > 1
            if possible:
                self.transport.swap(lane)
            return possible
        possible = self.transport.positions[lane] > 0
        self.transport.rewind(lane)
        return possible


def fate_of(words: Sequence[str]) -> Fate:
    """The fate among the last words of a choice."""
    return next((Fate(word) for word in words if word in set(Fate)), Fate.LIVES)
