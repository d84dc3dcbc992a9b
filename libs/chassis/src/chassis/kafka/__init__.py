"""Kafka, the transport: the consumer passes messages to the inbox, and the publisher sends the rows of the relay.

`Consumer` commits offsets once a second, and only those of messages that the inbox has taken. Before a
rebalance, and when it is stopped, it finishes its batch and commits its offsets. When it is stopped, it then leaves its
group, unless it is a static member (KAFKA_GROUP_INSTANCE_ID). If a dependency is unavailable, it fetches the batch
again after a pause. A message that must wait stops its own partition, and no other.

`KafkaPublisher.send` returns when the broker has acknowledged all rows. It raises RowsNotSent with the rows that were
not acknowledged. Rows of one topic and key keep their order. Topics are sent in parallel. If the call is cancelled, its
rows may be in Kafka or not. They stay in the outbox, and are sent again.

`check_retention` adds two durations: how long a topic can deliver an event, and how long the outbox of its producer can
send it again. While INBOX_RETENTION is less than the sum, the consumer does not start. A consumer that runs continues,
and a metric reports it.
"""

from chassis.kafka.consumer import Assignment, Consumer, ConsumerSettings
from chassis.kafka.publisher import KafkaPublisher

__all__ = ["Assignment", "Consumer", "ConsumerSettings", "KafkaPublisher"]
