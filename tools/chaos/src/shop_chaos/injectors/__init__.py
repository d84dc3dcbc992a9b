"""How faults are injected. One class is one way to inject; its fields are its arguments.

processes.py   kill, stop, freeze, slow down and flap a part
postgres.py    the database: connections, rights, slow statements, a long transaction, silent peers
kafka.py       the broker: rights, a topic that is missing, offsets wound back
brokers.py     one of several brokers is lost
edges.py       the connection between two parts: latency, resets, a cut, a slow drip
clock.py       a clock that is wrong
disk.py        a disk that is full
records.py     duplicates, poison, records in a wrong order
clients.py     slow clients, overload, replicas that come and go
holding.py     a program that holds something open while a fault lasts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from shop_chaos.injectors import (
    brokers,
    clients,
    clock,
    disk,
    edges,
    kafka,
    postgres,
    processes,
    records,
)
from shop_chaos.injectors.injector import Injector
from shop_stack.errors import UserError

__all__ = ["INJECTORS", "Injector", "arguments_of", "of"]

INJECTORS: Mapping[str, type[Injector]] = {
    "broker-lost": brokers.BrokerLost,
    "clock": clock.ClockMoved,
    "connection-limit": postgres.ConnectionLimit,
    "disk-full": disk.DiskFull,
    "duplicates": records.Duplicates,
    "edge": edges.EdgeDisturbed,
    "flap": processes.Flap,
    "freeze": processes.Freeze,
    "kafka-right": kafka.RightWithdrawn,
    "kill": processes.Kill,
    "long-transaction": postgres.LongTransaction,
    "missing-topic": kafka.TopicMissing,
    "overload": clients.Overload,
    "poison": records.Poison,
    "rebalances": clients.Rebalances,
    "reordered": records.Reordered,
    "replay": kafka.Replay,
    "silent-peer": postgres.SilentPeer,
    "slow": processes.Slow,
    "slow-clients": clients.SlowClients,
    "slow-statements": postgres.SlowStatements,
    "stop": processes.Stop,
    "table-right": postgres.RightRevoked,
}
"""Name in the catalogue → the class."""


def of(name: str, arguments: Mapping[str, Any]) -> Injector:
    """The injector of this name with these arguments. Raises UserError if there is none, or if it refuses them."""
    try:
        return INJECTORS[name](**arguments)
    except KeyError:
        raise UserError(
            f"There is no injector {name!r}: it is one of {', '.join(sorted(INJECTORS))}."
        ) from None
    except TypeError as error:
        raise UserError(f"The injector {name} does not take {dict(arguments)}: {error}.") from None


def arguments_of(way: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a step gives to a fault that is injected in this way: argument → its default, or `required`."""
    if way is None:
        return {}
    injector: Any = INJECTORS[way["injector"]]  # each one is a dataclass
    free = [each for each in fields(injector) if each.name not in way]
    return {each.name: "required" if each.default is MISSING else each.default for each in free}
