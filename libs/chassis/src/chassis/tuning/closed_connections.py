"""aiokafka sends on a connection that has just ended, and gets the error that it expects.

Kind: guard. Works around aiokafka with uvloop (aio-libs/aiokafka#1038).
What it does: replaces `AIOKafkaConnection.send`, so that its RuntimeError becomes KafkaConnectionError.
Why: uvloop raises RuntimeError when a client writes to a connection that has ended, until its reader has noticed.
asyncio raises nothing there. aiokafka handles OSError and its own errors only, so another error ends a task of the
client that nothing starts again, such as the one that asks for the brokers.
Without it: a consumer whose connections were reset may poll for ever and get nothing, until `BrokerWatch` notices it
after 40 s. Observed with inventory and analytics in the experiment `edges-to-kafka`.
Can be removed when: aiokafka catches this error. Observed with aiokafka 0.14 and uvloop 0.22.
Tested by: test_a_request_on_a_connection_that_has_just_ended_fails_with_an_error_of_kafka.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


def send_or_fail(connection: AIOKafkaConnection, *arguments: Any, **more: Any) -> Any:
    """As aiokafka's `send`: returns the awaitable answer. Raises KafkaConnectionError if the connection has ended."""
    try:
        return _send(connection, *arguments, **more)
    except RuntimeError as error:
        raise KafkaConnectionError(
            f"The connection to {connection.host}:{connection.port} has ended"
        ) from error


def notice_closed_connections() -> None:
    """Have every Kafka client of this process notice connections that have just ended."""
    AIOKafkaConnection.send = send_or_fail
