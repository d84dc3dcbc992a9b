"""aiokafka fetches all partitions together, or none.

Kind: guard. Works around aiokafka.
What it does: sets the private `_prefetch_backoff` of aiokafka's fetcher from 0.1 s to a minute.
Why: when a batch takes longer than 0.1 s, aiokafka fetches only the partitions of which it has no records. If these
partitions get no records, the broker answers after `fetch_max_wait_ms`, and until then no other partition of that
broker is fetched.
Without it: events wait although the consumer is idle. Observed with four replicas: no order moved between two services
for 5 s.
Can be removed when: aiokafka keeps fetch sessions (KIP-227), or asks for busy and idle partitions in separate requests.
Observed with aiokafka 0.14.
Tested by: test_idle_partitions_do_not_delay_busy_ones_after_a_long_batch.
"""

from aiokafka import AIOKafkaConsumer

PREFETCH_BACKOFF_SECONDS = 60.0


def fetch_together(client: AIOKafkaConsumer) -> None:
    """Call it when the client has started."""
    client._fetcher._prefetch_backoff = PREFETCH_BACKOFF_SECONDS
