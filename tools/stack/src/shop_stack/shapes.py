"""The shape of a shop: which services share a process and a database, and whether an orchestrator directs the saga.

    Shape.parse("orders+inventory | payments+notifications | analytics")
    Shape.parse("monolith", saga="orchestrated")

Each group is one process with one database. A service in a group is called a module. Between groups is Kafka. A shop of
one group has none (docs/decisions/0055). Each grouping can have each saga (docs/decisions/0060).
"""

from __future__ import annotations

import json
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


@dataclass(frozen=True)
class Shape:
    """The groups of a shop, and its saga. Each service is in one group."""

    groups: tuple[tuple[str, ...], ...] = tuple((name,) for name in SERVICES)
    saga: str = CHOREOGRAPHED

    @classmethod
    def parse(cls, text: str, saga: str = CHOREOGRAPHED) -> Shape:
        """`monolith`, `services`, or groups between `|`, each with modules between `+`; and a saga of SAGAS.

        Raises UserError.
        """
        if text.strip() == MONOLITH:
            return cls((SERVICES,)).with_saga(saga)
        if text.strip() == FIVE:
            return cls().with_saga(saga)
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
        return cls(tuple(sorted(ordered, key=lambda group: SERVICES.index(group[0])))).with_saga(saga)

    def with_saga(self, saga: str) -> Shape:
        """The same groups with this saga. Raises UserError if there is no such saga."""
        if saga not in SAGAS:
            raise UserError(
                f"There is no saga {saga!r}: a saga is {' or '.join(SAGAS)}; say for example `--saga {ORCHESTRATED}`."
            )
        return replace(self, saga=saga)

    @property
    def is_orchestrated(self) -> bool:
        """Whether an orchestrator directs the saga."""
        return self.saga == ORCHESTRATED

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
        return f'shop up --as "{self.text}"' + (f" --saga {self.saga}" if self.is_orchestrated else "")

    def __str__(self) -> str:
        """The shape in words, for a sentence."""
        saga = " with an orchestrated saga" if self.is_orchestrated else ""
        if self.is_five_services:
            return f"five services{saga}"
        return ("a monolith" if not self.has_kafka else f"the groups {self.text}") + saga


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
        kept = json.loads(file.read_text())
        groups = tuple(tuple(str(name) for name in group) for group in kept["groups"])
        return Shape(groups).with_saga(kept.get("saga", CHOREOGRAPHED))
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
        write_private(state / FILE, {"groups": shape.groups, "saga": shape.saga})


def require(state: Path, shape: Shape) -> None:
    """Raise UserError if the data in a folder is that of another shape."""
    kept = stored(state)
    if kept is not None and kept != shape:
        raise UserError(
            f"The data in {state} is that of {kept}, and a shop as {shape} cannot use it: start it with "
            f"`{kept.command}`, or delete the data with `shop down --wipe`."
        )
