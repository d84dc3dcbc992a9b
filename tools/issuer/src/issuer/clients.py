"""The clients: the programs that may ask for tokens, each with a secret and one role.

`storefront` is the shop's web site. It asks for tokens of customers, after it has checked who they are, so it may name
the customer of a token. A real shop would send its customers to a login page instead.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The roles in tokens. ADDRESSES counts in the directory alone, the first two in the services alone."""

    CUSTOMER = "customer"
    CLERK = "clerk"
    OPERATOR = "operator"
    ADDRESSES = "addresses"


@dataclass(frozen=True, slots=True)
class Client:
    """A program that may ask for tokens."""

    name: str
    role: Role
    names_customer: bool = False
    """Whether it names the customer whose tokens it gets. Otherwise the subject of its tokens is the client's name."""
    has_persons: bool = False
    """Whether it may name the person who acts: the subject is `operator:ada` then. The name is not proven."""
    audiences: frozenset[str] | None = None
    """The audiences that its tokens may have. None: any."""


CLIENTS: Mapping[str, Client] = {
    client.name: client
    for client in (
        Client("storefront", Role.CUSTOMER, names_customer=True),
        Client("clerk", Role.CLERK, has_persons=True),
        Client("operator", Role.OPERATOR, has_persons=True),
        Client("notifications", Role.ADDRESSES, audiences=frozenset({"directory"})),
    )
}


class WrongClient(Exception):
    """There is no such client, or its secret is wrong."""


def authenticated(name: str, secret: str, secrets: Mapping[str, str]) -> Client:
    """The client of this name, if its secret is right. Raises WrongClient."""
    client = CLIENTS.get(name)
    expected = secrets.get(name, "")
    is_right = hmac.compare_digest(secret.encode(errors="replace"), expected.encode())
    if client is None or not expected or not is_right:
        raise WrongClient(name)
    return client
