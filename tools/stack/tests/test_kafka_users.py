"""The admin client of librdkafka, asked for a broker that is away."""

import subprocess
import sys

# The garbage collector runs after almost each allocation, so also in the library's own threads.
ASKS_A_BROKER_THAT_IS_AWAY = """
import asyncio, gc
from shop_stack import kafka_users
from shop_stack.kafka_access import KafkaAccess

kafka_users.REQUEST_SECONDS = 0.05
gc.set_threshold(1)

async def ask():
    try:
        await kafka_users.rights_of(KafkaAccess("127.0.0.1:1", "stack", "secret"), "orders")
    except kafka_users.KafkaException:
        return "refused"

for _ in range(40):
    print(asyncio.run(ask()))
"""


def test_a_client_that_gets_no_answer_does_not_abort_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ASKS_A_BROKER_THAT_IS_AWAY], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout.split()) == (0, ["refused"] * 40), ended.stderr
