"""Kafka, the transport. The consumer gives messages to the inbox. The publisher sends the rows that the relay gives it.

`Consumer` commits offsets only after the inbox has taken a batch, finishes its batch before partitions go to another
replica, and leaves its group when it is stopped. `KafkaPublisher` sends outbox rows in order and waits for every
acknowledgement. `check_retention` compares the retention of the inbox with that of the topics.
"""

from chassis.kafka.consumer import Assignment, Consumer, ConsumerSettings
from chassis.kafka.publisher import KafkaPublisher

__all__ = ["Assignment", "Consumer", "ConsumerSettings", "KafkaPublisher"]
