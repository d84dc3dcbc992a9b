"""The rules of stock: allocation, the states of a reservation, and the effect of each action on the counts.

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
    """The quantity is outside of the allowed range."""

    def __init__(self, quantity: int, smallest: int, largest: int) -> None:
        super().__init__(f"{quantity} is not between {smallest} and {largest}.")
        self.smallest, self.largest = smallest, largest


class InvalidPrice(ValueError):
    """A price is a positive number of minor units in a currency of three upper-case letters."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)


class ProductAlreadyListed(Exception):
    """A product with this SKU exists."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"A product with the SKU {sku} is already listed.")
        self.sku = sku


class UnknownProduct(Exception):
    """No product has this SKU."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"No product has the SKU {sku}.")
        self.sku = sku


class UnknownReservation(Exception):
    """The order has no reservation."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no reservation for the order {order_id}.")
        self.order_id = str(order_id)


class UnknownRepublication(Exception):
    """No republication has this id."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"There is no republication {id}.")
        self.id = str(id)


class IllegalTransition(Exception):
    """The action is not allowed in this state of the reservation."""

    def __init__(self, order_id: UUID, state: "State", action: "StockAction") -> None:
        super().__init__(f"Cannot {action} the reservation of the order {order_id}: it is {state}.")
        self.order_id, self.state, self.action = str(order_id), state, action


class NotEnoughStock(Exception):
    """An action needs more stock than there is: the caller read the counts without a lock, and they have changed."""

    def __init__(self, action: "StockAction", quantities: Mapping[str, int]) -> None:
        super().__init__(f"Cannot {action} {dict(quantities)}: one of these SKUs has too little stock.")


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
    """A product with its price (minor units) and its stock. ``version`` grows with each new price, not with stock."""

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
        """Pieces that can still be reserved."""
        return self.on_hand - self.reserved


@dataclass(frozen=True, slots=True)
class Republication:
    """A republication of the catalogue. `products` is the number that is published so far.

    `finished_at` is None while it runs.
    """

    id: UUID
    products: int
    requested_at: datetime
    finished_at: datetime | None


# --- Reservations ---------------------------------------------------------------------------------


class State(StrEnum):
    """The state of a reservation.

    COMMITTED: the stock is sold. TOMBSTONE: the release arrived before the order, so the order may not reserve.
    """

    RESERVED = "RESERVED"
    REJECTED = "REJECTED"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    TOMBSTONE = "TOMBSTONE"


class StockAction(StrEnum):
    """An action on the stock of an order. COMMIT sells the reserved stock."""

    RESERVE = "reserve"
    COMMIT = "commit"
    RELEASE = "release"


# An action that leads to the same state changes nothing. A pair that is missing is an illegal transition: for example,
# a COMMIT of an order without a reservation would sell stock that was not reserved.
TRANSITIONS: Mapping[tuple[State, StockAction], State] = MappingProxyType(
    {
        (State.RESERVED, StockAction.COMMIT): State.COMMITTED,
        (State.COMMITTED, StockAction.COMMIT): State.COMMITTED,
        (State.RESERVED, StockAction.RELEASE): State.RELEASED,
        (State.REJECTED, StockAction.RELEASE): State.REJECTED,
        (State.RELEASED, StockAction.RELEASE): State.RELEASED,
        (State.COMMITTED, StockAction.RELEASE): State.COMMITTED,
        (State.TOMBSTONE, StockAction.RELEASE): State.TOMBSTONE,
    }
)


@dataclass(frozen=True, slots=True)
class Effect:
    """The change of the counts of a SKU that one piece makes."""

    on_hand: int
    reserved: int
    sold: int


EFFECTS: Mapping[StockAction, Effect] = MappingProxyType(
    {
        StockAction.RESERVE: Effect(on_hand=0, reserved=+1, sold=0),
        StockAction.COMMIT: Effect(on_hand=-1, reserved=-1, sold=+1),
        StockAction.RELEASE: Effect(on_hand=0, reserved=-1, sold=0),
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """A SKU and a number of pieces."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """The stock of one order. ``version`` grows with each change of the state, from 1."""

    order_id: UUID
    state: State
    lines: tuple[Line, ...]
    version: int

    def after(self, action: StockAction) -> "Reservation":
        """The reservation after ``action``, or itself if the action changes nothing. Raises IllegalTransition."""
        state = TRANSITIONS.get((self.state, action))
        if state is None:
            raise IllegalTransition(self.order_id, self.state, action)
        return self if state is self.state else replace(self, state=state, version=self.version + 1)


def apply_action(reservations: Iterable[Reservation], action: StockAction) -> list[Reservation]:
    """Apply ``action``, and return the reservations that it changed, with their new state. Raises IllegalTransition."""
    pairs = [(before, before.after(action)) for before in reservations]
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
    """An order for which stock is to be reserved."""

    order_id: UUID
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """A SKU of which fewer pieces are available than the order needs. An unknown SKU has 0 available pieces."""

    sku: str
    requested: int
    available: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one order. The order gets all of its lines or none. If none, `shortages` says why."""

    request: Request
    shortages: tuple[Shortage, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether the order gets its stock."""
        return not self.shortages


def allocate(requests: Sequence[Request], available: Mapping[str, int]) -> list[Decision]:
    """Decide orders one after the other. Each gets all of its lines or none. The pieces that are left go to the next.

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
