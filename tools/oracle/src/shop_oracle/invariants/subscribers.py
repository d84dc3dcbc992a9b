"""Which services react to an event."""

from __future__ import annotations

from collections.abc import Mapping

from shop_oracle.evidence import Evidence


def subscribers_of(evidence: Evidence) -> Mapping[str, list[str]]:
    """Declared event type → the groups that subscribe to it. Other readers of the topic skip it on purpose."""
    return {
        type_: [group for group in topic.readers if type_ in evidence.subscriptions.get(group, ())]
        for topic in evidence.topics
        for type_ in topic.events
    }
