"""The experiments of the lab that measure: they inject their own faults, and compare numbers with limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from shop_lab.experiments import (
    foreign,
    open_transaction,
    overload,
    rebalances,
    replicas,
    republish,
    shutdown,
)
from shop_lab.experiments.outcome import Outcome

MEASURED: Mapping[str, Callable[..., Awaitable[Outcome]]] = {
    "foreign": foreign.run,
    "open-transaction": open_transaction.run,
    "overload": overload.run,
    "rebalances": rebalances.run,
    "replicas": replicas.run,
    "republish": republish.run,
    "shutdown": shutdown.run,
}
"""Name → the function that carries it out. Its arguments after the first are those of the experiment file."""
