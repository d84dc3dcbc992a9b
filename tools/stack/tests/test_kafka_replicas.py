"""A broker has caught up when it is in sync in each partition of which it is a replica."""

from shop_stack.kafka import replication
from shop_stack.kafka_replicas import missing_from

TOPICS = [
    {
        "topic": "orders.order.v1",
        "partitions": [
            {"partition": 0, "replicas": [1, 2, 3], "isr": [1, 2, 3]},
            {"partition": 1, "replicas": [2, 3, 1], "isr": [2, 1]},
        ],
    },
    {"topic": "elsewhere", "partitions": [{"partition": 0, "replicas": [1], "isr": [1]}]},
]


def test_a_partition_without_the_broker_among_the_replicas_in_sync_is_named() -> None:
    assert missing_from(TOPICS, 3) == ["orders.order.v1-1"]
    assert missing_from(TOPICS, 2) == []


def test_one_of_three_brokers_may_be_lost_and_no_other_number_is_replicated() -> None:
    three, one = replication(3), replication(1)
    assert (three["default.replication.factor"], three["min.insync.replicas"]) == ("3", "2")
    assert (one["default.replication.factor"], one["min.insync.replicas"]) == ("1", "1")
    assert {value for name, value in three.items() if name.endswith(".replication.factor")} == {"3"}
