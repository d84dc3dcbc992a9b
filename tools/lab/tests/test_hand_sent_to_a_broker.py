"""Records by hand on a real broker: they lie at the places that are told, and `shop why` counts them as unread."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_lab.hand_sent import Changes, compose, send
from shop_observe.topics import declared_topics
from shop_oracle.why.facts import Facts, Place
from shop_oracle.why.lag import read_lags
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess, KafkaLogins
from shop_stack.ports import free_port
from shop_stack.rights import LAB, ORACLE
from shop_stack.target import Target

CONTRACTS = Path(__file__).parents[3] / "contracts"
TOPIC = "notifications.notification.v1"


def target_of(kafka: KafkaAccess) -> Target:
    return Target("test", {}, {}, "", kafka, {}, Path(), CONTRACTS, Path())


def no_facts() -> Facts:
    topics = [topic for topic in declared_topics(CONTRACTS) if not topic.compacted]
    return Facts({topic.name: topic for topic in topics}, {})


async def test_a_record_is_sent_as_often_as_wanted_and_is_unread_for_its_reader(logins: KafkaLogins) -> None:
    made = compose(CONTRACTS, "notification-sent", Changes(corrupt="no-headers"))
    sent = await send(logins.of(LAB), made, times=2)
    first, second = sent.places
    assert (first.topic, second.partition, second.offset - first.offset, sent.refused) == (
        TOPIC,
        first.partition,
        1,
        "",
    )
    facts = no_facts()
    await read_lags(target_of(logins.of(ORACLE)), facts)
    assert facts.parts == {}
    lag = facts.lags[Place("analytics", TOPIC, first.partition)]
    assert (lag.end, lag.unread >= 2) == (second.offset + 1, True)
    assert Place("orders", TOPIC, first.partition) not in facts.lags
    assert facts.partitions[TOPIC] == 12


async def test_a_damaged_batch_is_refused_by_the_broker(kafka: KafkaAccess) -> None:
    sent = await send(kafka, compose(CONTRACTS, "order-placed", Changes(corrupt="wrong-checksum")), times=2)
    assert (sent.places, sent.refused) == ([], "CorruptRecordException")


async def test_a_broker_that_does_not_answer_is_told_and_is_a_finding() -> None:
    nowhere = KafkaAccess(f"127.0.0.1:{free_port()}")
    with pytest.raises(UserError, match="Kafka does not answer"):
        await send(nowhere, compose(CONTRACTS, "order-placed", Changes()))
    facts = no_facts()
    await read_lags(target_of(nowhere), facts)
    assert "kafka does not answer" in facts.parts["kafka"].what
