"""The shape of a shop: which services share a process and a database, and how the saga of an order is carried out.

    Shape.parse("orders+inventory | payments+notifications | analytics")
    Shape.parse("monolith", saga="orchestrated")
    Shape.parse("monolith", tx="single")

Each group is one process with one database. A service in a group is called a module. Between groups is Kafka. A shop of
one group has none (docs/decisions/0055). Each grouping can have each saga (docs/decisions/0060). If one group has all
modules of the saga, the saga can be one transaction (docs/decisions/0062).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shop_stack import paths
from shop_stack.errors import UserError
from shop_stack.passwords import write_private
from shop_stack.ports import SERVICES

FILE = "shape.json"
"""The file with the shape of the data in a folder. A shop of five services has none."""
MONOLITH = "monolith"
FIVE = "services"
"""The name of the shape in which each service has a process and a database of its own."""
CHOREOGRAPHED, ORCHESTRATED = "choreographed", "orchestrated"
"""The two sagas. In the first one each service reacts to events of others. In the second one orders sends commands."""
SAGAS = (CHOREOGRAPHED, ORCHESTRATED)
STEPS, SINGLE = "steps", "single"
"""How many transactions a saga has: each step has its own, or the whole saga has one."""
TRANSACTIONS = (STEPS, SINGLE)
OF_THE_SAGA = ("orders", "inventory", "payments")
"""The services that an order needs to end. If the saga is one transaction, one group has all of them."""


@dataclass(frozen=True)
class Shape:
    """The groups of a shop, its saga, and its transactions. Each service is in one group."""

    groups: tuple[tuple[str, ...], ...] = tuple((name,) for name in SERVICES)
    saga: str = CHOREOGRAPHED
    tx: str = STEPS

    @classmethod
    def parse(cls, text: str, saga: str = CHOREOGRAPHED, tx: str = STEPS) -> Shape:
        """`monolith`, `services`, or groups between `|`, each with modules between `+`; a saga of SAGAS, and one of
        TRANSACTIONS.

        Raises UserError.
        """
        return cls(_groups_in(text)).with_saga(saga).with_tx(tx)

    def with_saga(self, saga: str) -> Shape:
        """The same shape with this saga. Raises UserError if there is no such saga, or if it does not fit."""
        if saga not in SAGAS:
            raise UserError(
                f"There is no saga {saga!r}: a saga is {' or '.join(SAGAS)}; say for example `--saga {ORCHESTRATED}`."
            )
        return replace(self, saga=saga)._checked()

    def with_tx(self, tx: str) -> Shape:
        """The same shape with these transactions. Raises UserError if there are none such, or if they do not fit."""
        if tx not in TRANSACTIONS:
            raise UserError(
                f"There is no way {tx!r} to divide a saga into transactions: say `--tx {STEPS}` or `--tx {SINGLE}`."
            )
        return replace(self, tx=tx)._checked()

    def _checked(self) -> Shape:
        """Raises UserError if the saga is to be one transaction, and this shape cannot do it."""
        if self.is_single and self.is_orchestrated:
            raise UserError(
                f"A saga that is one transaction has no steps for an orchestrator: leave out `--saga {ORCHESTRATED}`, "
                f"or leave out `--tx {SINGLE}`."
            )
        if self.is_single and not set(OF_THE_SAGA) <= set(self.group_of(OF_THE_SAGA[0])):
            raise UserError(
                f"A saga is one transaction only in one database, and here {', '.join(OF_THE_SAGA)} are not in one "
                f'group: say for example `--as monolith --tx {SINGLE}`, or `--as "{"+".join(OF_THE_SAGA)} | '
                f'notifications | analytics" --tx {SINGLE}`.'
            )
        return self

    @classmethod
    def of_facts(cls, facts: Mapping[str, object]) -> Shape:
        """The shape of `facts`, as a file has them. Raises KeyError, TypeError or UserError if they are damaged."""
        groups = facts["groups"]
        if not isinstance(groups, list):
            raise TypeError("groups")
        named = cls(tuple(tuple(str(name) for name in group) for group in groups))
        return named.with_saga(str(facts["saga"])).with_tx(str(facts["tx"]))

    @property
    def facts(self) -> Mapping[str, object]:
        """The shape as a file has it."""
        return {"groups": self.groups, "saga": self.saga, "tx": self.tx}

    @property
    def is_orchestrated(self) -> bool:
        """Whether an orchestrator directs the saga."""
        return self.saga == ORCHESTRATED

    @property
    def is_single(self) -> bool:
        """Whether the saga is one transaction."""
        return self.tx == SINGLE

    def tx_of(self, service: str) -> str:
        """The transactions as a service is told them. A service that is in no group with the saga has its own steps."""
        return self.tx if service in self.group_of(OF_THE_SAGA[0]) else STEPS

    @classmethod
    def with_others(cls, text: str) -> Shape:
        """The groups, and each service that is in none of them as one of its own. Raises UserError as `parse` does."""
        named = text.replace("|", " ").replace("+", " ").split()
        return cls.parse(" | ".join([text, *(name for name in SERVICES if name not in named)]))

    @property
    def is_five_services(self) -> bool:
        """Whether each service has a process and a database of its own."""
        return all(len(group) == 1 for group in self.groups)

    @property
    def has_kafka(self) -> bool:
        """Whether events go between groups."""
        return len(self.groups) > 1

    def group_of(self, service: str) -> tuple[str, ...]:
        """The services that share a process with this one, itself included."""
        return next((group for group in self.groups if service in group), (service,))

    def unit_of(self, service: str) -> str:
        """The name of the process and of the database that a service has."""
        return unit_name(self.group_of(service))

    @property
    def units(self) -> tuple[str, ...]:
        """The names of the processes."""
        return tuple(unit_name(group) for group in self.groups)

    def members(self, unit: str) -> tuple[str, ...]:
        """The services of a process, by its name; () for a process that is no service."""
        return next((group for group in self.groups if unit_name(group) == unit), ())

    @property
    def text(self) -> str:
        """The groups as `shop up --as` takes them."""
        if self.is_five_services:
            return FIVE
        return MONOLITH if not self.has_kafka else " | ".join("+".join(group) for group in self.groups)

    @property
    def command(self) -> str:
        """The command that starts a shop of this shape."""
        saga = f" --saga {self.saga}" if self.is_orchestrated else ""
        return f'shop up --as "{self.text}"{saga}' + (f" --tx {self.tx}" if self.is_single else "")

    def __str__(self) -> str:
        """The shape in words, for a sentence."""
        saga = " with an orchestrated saga" if self.is_orchestrated else ""
        saga += " whose saga is one transaction" if self.is_single else ""
        if self.is_five_services:
            return f"five services{saga}"
        return ("a monolith" if not self.has_kafka else f"the groups {self.text}") + saga


def _groups_in(text: str) -> tuple[tuple[str, ...], ...]:
    """The groups that `--as` names. Raises UserError."""
    if text.strip() == MONOLITH:
        return (SERVICES,)
    if text.strip() == FIVE:
        return Shape().groups
    groups = [[name.strip() for name in group.split("+")] for group in text.split("|")]
    named = [name for group in groups for name in group]
    example = 'say for example `--as "orders+inventory | payments+notifications | analytics"`'
    if unknown := [name for name in named if name not in SERVICES]:
        raise UserError(
            f"There is no module {unknown[0]!r}: a group has some of {', '.join(SERVICES)}; {example}, "
            "`--as monolith` or `--as services`."
        )
    if twice := [name for name in named if named.count(name) > 1]:
        raise UserError(f"The module {twice[0]} is named twice, and belongs to one group: {example}.")
    if missing := [name for name in SERVICES if name not in named]:
        raise UserError(
            f"No group has the module {missing[0]}: add it to a group, or as one of its own; {example}."
        )
    ordered = [tuple(name for name in SERVICES if name in group) for group in groups]
    return tuple(sorted(ordered, key=lambda group: SERVICES.index(group[0])))


def contracts_of(shape: Shape) -> Path:
    """The folder with the topics, the readers and the messages of a shape's saga."""
    folder = paths.contracts()
    return folder / ORCHESTRATED if shape.is_orchestrated else folder


def unit_name(group: tuple[str, ...]) -> str:
    """The name of the process and of the database of a group."""
    return MONOLITH if group == SERVICES else "+".join(group)


def stored(state: Path) -> Shape | None:
    """The shape of the data in a folder; None if there is no data.

    Raises UserError if its file cannot be read.
    """
    if not (state / "postgres" / "PG_VERSION").exists():
        return None
    file = state / FILE
    try:
        # Older data has neither a saga nor transactions.
        return Shape.of_facts({"saga": CHOREOGRAPHED, "tx": STEPS, **json.loads(file.read_text())})
    except FileNotFoundError:
        return Shape()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        raise UserError(
            f"{file} cannot be read, and says which services share a database: put it back as it was. "
            "(`shop down --wipe` begins anew and deletes all orders.)"
        ) from None


def store(state: Path, shape: Shape) -> None:
    """Write down that the data in a folder is of this shape."""
    if shape == Shape():
        (state / FILE).unlink(missing_ok=True)
    else:
        write_private(state / FILE, shape.facts)


def require(state: Path, shape: Shape) -> None:
    """Raise UserError if the data in a folder is that of another shape."""
    kept = stored(state)
    if kept is not None and kept != shape:
        raise UserError(
            f"The data in {state} is that of {kept}, and a shop as {shape} cannot use it: start it with "
            f"`{kept.command}`{_way_back(kept, shape)}, or delete the data with `shop down --wipe`."
        )


def _way_back(kept: Shape, shape: Shape) -> str:
    """The command that puts the one module back that was taken out of a monolith, if a monolith is wanted."""
    alone = [group[0] for group in kept.groups if len(group) == 1]
    if shape.has_kafka or len(kept.groups) != 2 or not alone:
        return ""
    return f" and then make it one with `shop emancipate {alone[0]} --back`"
