"""Reads topics from their beginning to their present end, for jobs that rebuild projections.

Kafka has every topic, so they are read there. In a shop without Kafka the outboxes of the database are read. The caller
does not see the difference.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

from chassis.events import RawMessage
from chassis.kafka.replay import replay_of_kafka
from chassis.local.replay import replay_of_outboxes
from chassis.settings import ServiceSettings
from chassis.tuning import planner


class Replay(Protocol):
    """One pass over topics. Their ends are read when it begins: later events are not part of it."""

    @property
    def positions(self) -> Mapping[str, int]:
        """`topic/partition` → the place of the next message. A later pass may begin there."""

    @property
    def read(self) -> int:
        """The number of messages before the positions."""

    @property
    def total(self) -> int:
        """The number of messages of the topics up to the ends."""

    @property
    def is_finished(self) -> bool:
        """Whether all messages up to the ends were given."""

    async def next(self, limit: int) -> Sequence[RawMessage]:
        """The next messages, about `limit`. It may be none, also before the end."""

    async def lost(self) -> set[str]:
        """The topics whose first messages were deleted. Call it at the end, because more may be deleted meanwhile."""


OpenReplay = Callable[[Mapping[str, int]], AbstractAsyncContextManager[Replay]]
"""Begins a pass at saved positions, or at the beginning of each partition that has none."""


def replay_of(settings: ServiceSettings, topics: Collection[str]) -> OpenReplay:
    """Reads `topics` where this service finds them."""
    if settings.has_kafka:
        return partial(replay_of_kafka, settings.kafka, topics)
    return partial(
        replay_of_outboxes,
        settings.database_url.get_secret_value(),
        settings.database_password,
        planner.RELAY_SETTINGS,
        topics,
    )
