"""Shards: the parts of the outbox that the relays of a service's replicas share."""

from collections.abc import Iterable
from functools import lru_cache

from aiokafka.partitioner import murmur2

SHARDS = 12
"""The number of shards. A key is always in the same shard.

Most topics of events have twelve partitions. There a key's shard has the number of its partition, so that the process
that consumes a key also relays it (docs/decisions/0014).
"""

CHANNEL = "chassis_outbox"
"""The NOTIFY channel. A payload is the numbers of the shards with new rows.

An empty payload means: look for shards and rows at once, because leases are free, or an operator has changed rows.
"""


def shard_of(key: str) -> int:
    """The shard of a key. It depends only on the key and on SHARDS, so it is the same in every process."""
    return key_hash(key.encode()) % SHARDS


@lru_cache(maxsize=2_000)
def key_hash(key: bytes) -> int:
    """Kafka's hash of a key. The hash modulo the number of partitions is the key's partition."""
    return int(murmur2(key)) & 0x7FFF_FFFF


def shards_of_partitions(partitions: Iterable[int]) -> set[int]:
    """The shards of the keys in these partitions, for topics of SHARDS partitions or a multiple of that."""
    return {partition % SHARDS for partition in partitions}
