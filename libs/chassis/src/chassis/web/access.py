"""Roles of callers, and the declaration of roles that each route makes.

    @router.post("/orders", dependencies=[allow(Role.CUSTOMER)])

A router may declare it for all of its routes. `GuardedRoute` checks the declaration.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, cast

from fastapi import Depends, Request


class Role(StrEnum):
    """A role that a token gives to its subject. A token may have more than one."""

    CUSTOMER = "customer"
    """Places orders; reads and cancels its own."""
    CLERK = "clerk"
    """Changes products, prices and stock."""
    OPERATOR = "operator"
    """Runs the shop: the admin API, reports, rebuilds."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The subject of a verified token, and its roles."""

    subject: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Access:
    """The roles of which a caller needs one. Without roles, a route is public: it needs no token."""

    roles: tuple[Role, ...] = ()

    @property
    def is_public(self) -> bool:
        """Whether a caller needs no token."""
        return not self.roles

    async def __call__(self) -> None:
        """Do nothing. FastAPI needs a callable here. `GuardedRoute` takes it out of the dependencies, so it is never
        called.
        """


def allow(*roles: Role) -> Any:
    """The declaration that a caller needs one of these roles."""
    if not roles:
        raise ValueError("Name a role, or use PUBLIC.")
    return Depends(Access(roles))


PUBLIC: Any = Depends(Access())
"""The declaration that a caller needs no token."""


async def _caller(request: Request) -> Caller:
    return cast(Caller, request.state.caller)


CurrentCaller = Annotated[Caller, Depends(_caller)]
"""The caller of an endpoint whose route is not public."""
