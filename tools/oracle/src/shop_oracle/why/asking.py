"""Reads all facts about orders and judges them."""

from __future__ import annotations

from collections.abc import Sequence

from shop_observe.topics import declared_topics
from shop_oracle.gather import declared_subscriptions
from shop_oracle.why.diagnosis import Answer, answer_of
from shop_oracle.why.facts import Facts, Trouble
from shop_oracle.why.lag import read_lags
from shop_oracle.why.parts import look_at_parts
from shop_oracle.why.reading import candidates, read_databases, read_inboxes
from shop_stack.target import Target


async def ask(target: Target, order_id: str) -> Answer:
    """Why one order waits. A part that does not answer is a finding and no error."""
    (answer,) = await _answers(target, await _begin(target), [order_id])
    return answer


async def ask_all(target: Target) -> tuple[list[Answer], list[Trouble]]:
    """The same for each order with unfinished work and for the newest orders; and each part that does not work."""
    facts = await _begin(target)
    answers = await _answers(target, facts, await candidates(target, facts))
    return answers, [*facts.parts.values(), *(each for found in facts.unready.values() for each in found)]


async def _begin(target: Target) -> Facts:
    topics = [topic for topic in declared_topics(target.contracts) if not topic.compacted]
    facts = Facts({topic.name: topic for topic in topics}, declared_subscriptions(target.contracts, topics))
    await look_at_parts(target, facts)
    return facts


async def _answers(target: Target, facts: Facts, orders: Sequence[str]) -> list[Answer]:
    # The offsets come first: a message that is handled meanwhile is in the inbox, which is read later.
    await read_lags(target, facts)
    await read_databases(target, facts, orders)
    await read_inboxes(target, facts)
    return [answer_of(facts, order_id) for order_id in orders]
