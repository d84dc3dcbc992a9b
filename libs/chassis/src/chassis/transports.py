"""Builds the two ends of a service: one sends the rows of its outbox, the other passes messages to its inbox.

Both depend on where the topics of the service are. Usually all of them are on Kafka. A service that shares its database
with others (LOCAL_MODULES) reads the topics of those in the database (`chassis.local`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from chassis.inbox import Inbox, Subscriptions
from chassis.kafka import Assignment, Consumer, ConsumerSettings, KafkaPublisher
from chassis.kafka.consumer import ClientHooks, leave_as_is, stop_client
from chassis.kafka.lag import ConsumerLag
from chassis.kafka.producer_hooks import ProducerHooks
from chassis.kafka.topic_retention import check_retention
from chassis.local import LocalReader, NoRelay, ReaderSettings, is_local
from chassis.outbox import Fence, Relay, shards_of_partitions
from chassis.settings import ServiceSettings
from chassis.tuning import (
    Tuning,
    fence_requests,
    fetch_together,
    leave_while_joining,
    planner,
    stop_without_flush,
)


@dataclass(frozen=True, slots=True)
class TopicPlaces:
    """The topics that a service reads, by the place where it reads them."""

    kafka: frozenset[str]
    database: frozenset[str]

    @classmethod
    def of(cls, settings: ServiceSettings, subscriptions: Subscriptions) -> "TopicPlaces":
        """Raises ValueError if a topic is on Kafka and there is no Kafka."""
        topics = frozenset(subscriptions.topics)
        database = frozenset(topic for topic in topics if is_local(topic, settings.modules))
        kafka = topics - database
        if kafka and not settings.has_kafka:
            raise ValueError(
                f"{settings.service_name} reads {', '.join(sorted(kafka))}, and has no Kafka: set "
                "KAFKA_BOOTSTRAP_SERVERS, or name the owners in LOCAL_MODULES"
            )
        return cls(kafka, database)


@dataclass(frozen=True, slots=True)
class Sending:
    """The relay of a process, and the publishers that it uses. They are closed at the end."""

    relay: Relay
    publishers: tuple[KafkaPublisher, ...]


def build_sending(settings: ServiceSettings, tuning: Tuning, assignment: Assignment) -> Sending:
    """The relay, and its two publishers: one for its pages, one for rows that were set aside. None without Kafka."""
    fence = Fence()
    url = settings.database_url.get_secret_value()
    session = planner.RELAY_SETTINGS if tuning.has("planner") else {}
    if not settings.has_kafka:
        return Sending(
            NoRelay(url, server_settings=session, fence=fence, password=settings.database_password), ()
        )
    publisher, retries = (_build_publisher(settings, tuning, fence) for _ in range(2))
    relay = Relay(
        url,
        publisher.send,
        retry=retries.send,
        preferred_shards=lambda: shards_of_partitions(assignment.partitions),
        server_settings=session,
        fence=fence,
        password=settings.database_password,
    )
    return Sending(relay, (publisher, retries))


def _build_publisher(settings: ServiceSettings, tuning: Tuning, fence: Fence) -> KafkaPublisher:
    hooks = ProducerHooks()
    if tuning.has("fence_requests"):
        hooks = replace(hooks, created=fence_requests.fence_requests)
    if tuning.has("stop_without_flush"):
        hooks = replace(hooks, stop=stop_without_flush.stop_without_flush)
    return KafkaPublisher(settings.kafka, f"/{settings.service_name}", fence, hooks)


def build_consumer(
    settings: ServiceSettings, tuning: Tuning, inbox: Inbox, assignment: Assignment, topics: frozenset[str]
) -> Consumer | None:
    """The consumer of these topics of Kafka. None if the process reads none of them."""
    if settings.role == "api" or not topics:
        return None
    leaves_early = tuning.has("leave_while_joining") and settings.kafka_group_instance_id is None
    hooks = ClientHooks(
        started=fetch_together.fetch_together if tuning.has("fetch_together") else leave_as_is,
        stop=leave_while_joining.stop_and_leave if leaves_early else stop_client,
    )
    return Consumer(
        inbox,
        ConsumerSettings(
            kafka=settings.kafka,
            topics=topics,
            batch_size=settings.batch_size,
            linger_seconds=settings.linger_seconds,
            defer_seconds=settings.defer_seconds,
            retry_seconds=settings.retry_seconds,
            session_timeout_ms=settings.kafka_session_timeout_ms,
            group_instance_id=settings.kafka_group_instance_id,
        ),
        assignment=assignment,
        check_topics=partial(check_retention, *retention_of(settings, topics)),
        hooks=hooks,
        lag=ConsumerLag(settings.service_name, topics),
    )


def build_reader(
    settings: ServiceSettings, tuning: Tuning, inbox: Inbox, topics: frozenset[str]
) -> LocalReader | None:
    """The reader of these topics of the database. None if the process reads none of them."""
    if settings.role == "api" or not topics:
        return None
    return LocalReader(
        inbox,
        topics,
        ReaderSettings(
            settings.database_url.get_secret_value(),
            settings.database_password,
            planner.RELAY_SETTINGS if tuning.has("planner") else {},
            batch_size=settings.batch_size,
            linger_seconds=settings.linger_seconds,
            defer_seconds=settings.defer_seconds,
            retry_seconds=settings.retry_seconds,
        ),
    )


def retention_of(
    settings: ServiceSettings, topics: Collection[str]
) -> tuple[Mapping[str, Any], Collection[str], timedelta, timedelta]:
    """The arguments for the check of the inbox's retention. All services keep their outboxes for the same time."""
    return settings.kafka, topics, settings.inbox_retention, settings.outbox_retention
