"""The providers that the expectations of a service may name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from shop_contracts.contracts import Contracts
from shop_contracts.releases.release import services
from shop_stack.errors import UserError

OUTSIDE_SYSTEMS = ("processor", "issuer")
"""Providers that are no services: the systems outside of the shop that services call."""


def path_of(consumer: str, provider: str) -> str:
    """The expectation file of a pair, from the root of the clone."""
    return f"contracts/consumers/{consumer}/{provider}.json"


def require_provider(root: Path, consumer: str, provider: str, owners: Collection[str] = ()) -> None:
    """Raise UserError if a consumer expects something of a provider that does not exist.

    `owners` are services whose folders the clone may lack.
    """
    known = sorted({*services(root), *owners, *OUTSIDE_SYSTEMS})
    if provider not in known:
        raise UserError(
            f"{path_of(consumer, provider)} expects something of {provider!r}, and there is no such provider: it is "
            f"one of {', '.join(known)}. Rename the file, or delete it."
        )


def require_providers(contracts: Contracts) -> None:
    """Raise UserError if any committed expectation names a provider that does not exist.

    A sparse clone may lack folders of services. So an owner of a topic is a provider, too.
    """
    owners = {topic.owner for topic in contracts.topics}
    for consumer in contracts.consumers:
        for provider in contracts.expectations(consumer):
            require_provider(contracts.root, consumer, provider, owners)
