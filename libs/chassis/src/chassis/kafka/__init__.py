"""Kafka: the transport. The consumer feeds the inbox, the publisher sends what the relay hands it.

`Consumer` commits offsets only after the inbox has taken a batch, finishes its batch before partitions go to another
replica, and leaves its group when it is stopped. `KafkaPublisher` sends outbox rows in order and waits for every
acknowledgement. `check_retention` holds the inbox's memory against the retention of the topics.
"""

from chassis.kafka.consumer import Assignment, Consumer, ConsumerSettings
from chassis.kafka.publisher import KafkaPublisher

__all__ = ["Assignment", "Consumer", "ConsumerSettings", "KafkaPublisher"]
