"""The rules of stock: who gets it, what may happen to a reservation, what each act does to the counts.

Stock is conserved: ``initial + replenished = on_hand + sold``, and ``0 <= reserved <= on_hand``.
Available is ``on_hand - reserved``. Quantities are pieces.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

LARGEST_REPLENISHMENT = 1_000_000
LARGEST_INITIAL_STOCK = 1_000_000_000
LARGEST_PRICE_MINOR = 1_000_000_000_000

_SKU = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")


# --- Errors ---------------------------------------------------------------------------------------


class InvalidSku(ValueError):
    """A SKU is 1 to 64 of ``A-Z a-z 0-9 . _ -``."""

    def __init__(self) -> None:
        super().__init__("A SKU is 1 to 64 characters out of A-Z, a-z, 0-9, '.', '_' and '-'.")


class InvalidQuantity(ValueError):
    """A quantity outside of what the act allows."""

    def __init__(self, quantity: int, smallest: int, largest: int) -> None:
        super().__init__(f"{quantity} is not between {smallest} and {largest}.")
        self.smallest, self.largest = smallest, largest


class InvalidPrice(ValueError):
    """A price is a positive number of minor units in a currency of three upper-case letters."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)


class ProductAlreadyListed(Exception):
    """The SKU is taken."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"A product with the SKU {sku} is already listed.")
        self.sku = sku


class UnknownProduct(Exception):
    """No product has this SKU."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"No product has the SKU {sku}.")
        self.sku = sku


class UnknownReservation(Exception):
    """Inventory knows nothing of this order."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no reservation for the order {order_id}.")
        self.order_id = str(order_id)


class UnknownRepublication(Exception):
    """No republication has this id."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"There is no republication {id}.")
        self.id = str(id)


class IllegalTransition(Exception):
    """A reservation in this state must never see this act."""

    def __init__(self, order_id: UUID, state: "State", act: "Act") -> None:
        super().__init__(f"Cannot {act} the reservation of the order {order_id}: it is {state}.")
        self.order_id, self.state, self.act = str(order_id), state, act


class StockWouldNotHold(Exception):
    """An act would take more than is there: the decision was made on counts that were not locked."""

    def __init__(self, act: "Act", quantities: Mapping[str, int]) -> None:
        super().__init__(f"Cannot {act} {dict(quantities)}: one of these SKUs has too little stock.")


# --- Products -------------------------------------------------------------------------------------


def check_sku(sku: str) -> None:
    """Raises InvalidSku."""
    if not _SKU.fullmatch(sku):
        raise InvalidSku


def check_price(amount_minor: int, currency: str) -> None:
    """Raises InvalidPrice. ``amount_minor`` is in minor units (cents) of ``currency`` (ISO 4217)."""
    if not 0 < amount_minor <= LARGEST_PRICE_MINOR:
        raise InvalidPrice(f"A price is between 1 and {LARGEST_PRICE_MINOR} minor units, not {amount_minor}.")
    if not _CURRENCY.fullmatch(currency):
        raise InvalidPrice("A currency is three upper-case letters (ISO 4217).")


def check_quantity(quantity: int, smallest: int, largest: int) -> None:
    """Raises InvalidQuantity."""
    if not smallest <= quantity <= largest:
        raise InvalidQuantity(quantity, smallest, largest)


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its price (minor units) and its stock. ``version`` counts listing and prices only."""

    sku: str
    name: str
    price_minor: int
    currency: str
    version: int
    initial: int
    replenished: int
    on_hand: int
    reserved: int
    sold: int

    @property
    def available(self) -> int:
        """Pieces that the next order can have."""
        return self.on_hand - self.reserved


@dataclass(frozen=True, slots=True)
class Republication:
    """The catalogue, published again: how many products so far. `finished_at` is None while it is under way."""

    id: UUID
    products: int
    requested_at: datetime
    finished_at: datetime | None


# --- Reservations ---------------------------------------------------------------------------------


class State(StrEnum):
    """Where a reservation stands. TOMBSTONE: the release came before the order, which may not reserve."""

    RESERVED = "RESERVED"
    REJECTED = "REJECTED"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    TOMBSTONE = "TOMBSTONE"


class Act(StrEnum):
    """What can be done with an order's stock."""

    RESERVE = "reserve"
    COMMIT = "commit"
    RELEASE = "release"


# A state that stays as it is makes the act a no-op. A pair that is missing is an illegal transition:
# to confirm an order that holds no stock would sell what nobody set aside.
TRANSITIONS: Mapping[tuple[State, Act], State] = MappingProxyType(
    {
        (State.RESERVED, Act.COMMIT): State.COMMITTED,
        (State.COMMITTED, Act.COMMIT): State.COMMITTED,
        (State.RESERVED, Act.RELEASE): State.RELEASED,
        (State.REJECTED, Act.RELEASE): State.REJECTED,
        (State.RELEASED, Act.RELEASE): State.RELEASED,
        (State.COMMITTED, Act.RELEASE): State.COMMITTED,
        (State.TOMBSTONE, Act.RELEASE): State.TOMBSTONE,
    }
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one piece of an act changes in the counts of its SKU."""

    on_hand: int
    reserved: int
    sold: int


EFFECTS: Mapping[Act, Effect] = MappingProxyType(
    {
        Act.RESERVE: Effect(on_hand=0, reserved=+1, sold=0),
        Act.COMMIT: Effect(on_hand=-1, reserved=-1, sold=+1),
        Act.RELEASE: Effect(on_hand=0, reserved=-1, sold=0),
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """So many pieces of one SKU."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one order holds. ``version`` counts its outcomes from 1."""

    order_id: UUID
    state: State
    lines: tuple[Line, ...]
    version: int

    def after(self, act: Act) -> "Reservation":
        """The reservation after ``act``; itself where the act is a no-op. Raises IllegalTransition."""
        state = TRANSITIONS.get((self.state, act))
        if state is None:
            raise IllegalTransition(self.order_id, self.state, act)
        return self if state is self.state else replace(self, state=state, version=self.version + 1)


def moved(held: Iterable[Reservation], act: Act) -> list[Reservation]:
    """The reservations that ``act`` changes, as they are afterwards. Raises IllegalTransition."""
    pairs = [(before, before.after(act)) for before in held]
    return [after for before, after in pairs if after is not before]


def quantities(lines: Iterable[Line]) -> dict[str, int]:
    """Pieces per SKU."""
    total: Counter[str] = Counter()
    for line in lines:
        total[line.sku] += line.quantity
    return dict(total)


# --- Allocation -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """An order that asks for stock."""

    order_id: UUID
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """A SKU of which an order wants more than is available. An unknown SKU has 0 available."""

    sku: str
    requested: int
    available: int


@dataclass(frozen=True, slots=True)
class Decision:
    """An order's answer: all of its lines, or none and why."""

    request: Request
    shortages: tuple[Shortage, ...]

    @property
    def reserved(self) -> bool:
        """Whether the order gets its stock."""
        return not self.shortages


def allocate(requests: Sequence[Request], available: Mapping[str, int]) -> list[Decision]:
    """Decides orders one after the other: each takes all of its lines or none, and the next sees the rest.

    ``available``: pieces per SKU; a SKU that is missing has none.
    """
    left = dict(available)
    decisions = []
    for request in requests:
        wanted = quantities(request.lines)
        shortages = tuple(
            Shortage(sku, quantity, left.get(sku, 0))
            for sku, quantity in wanted.items()
            if quantity > left.get(sku, 0)
        )
        if not shortages:
            for sku, quantity in wanted.items():
                left[sku] -= quantity
        decisions.append(Decision(request, shortages))
    return decisions
