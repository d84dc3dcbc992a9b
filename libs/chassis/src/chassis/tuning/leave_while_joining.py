"""A consumer also leaves its group while it waits to join.

Kind: guard. Works around aiokafka.
What it does: sends a LeaveGroup request on a connection of its own, through aiokafka's private client and coordinator.
Why: aiokafka sends it on the connection on which it waits for the answer to JoinGroup. The broker answers the requests
of one connection in their order, so LeaveGroup waits for the join, and the process ends before.
Without it: the group waits for the member that has ended until that member's session times out. Observed as a stall of
20 s in one of 200 rebalances.
Can be removed when: aiokafka leaves on a free connection. Observed with aiokafka 0.14.
"""

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.protocol.group import LeaveGroupRequest

JOINED_SECONDS = 0.2
"""A client that has joined its group leaves it within these seconds. One that takes longer still waits to join."""


async def stop_and_leave(client: AIOKafkaConsumer, group: str) -> None:
    """Stop the client. If that takes long, send the group's coordinator a LeaveGroup request."""
    stopping = asyncio.create_task(client.stop())
    await asyncio.wait([stopping], timeout=JOINED_SECONDS)
    tasks = [stopping]
    coordinator = client._coordinator
    if not stopping.done() and coordinator:
        leave = LeaveGroupRequest(group, coordinator.member_id)
        sending = client._client.send(coordinator.coordinator_id, leave, group="leaving")
        tasks.append(asyncio.create_task(sending))
    await asyncio.gather(*tasks, return_exceptions=True)
