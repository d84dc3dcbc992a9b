"""Members of consumer groups: their number and partitions, and the removal of a static one, which stays by itself.

Without the removal the broker would keep the partitions of a process that has ended until its session times out.
aiokafka sends an earlier version of the request, which cannot name a static member.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String

from shop_stack.kafka_access import KafkaAccess

LEAVE_GROUP = 13
VERSION = 3
"""The first version that names static members."""
MEMBER = (("member_id", String("utf-8")), ("group_instance_id", String("utf-8")))
ANY_MEMBER_ID = ""


class LeaveGroupResponse(Response):  # type: ignore[misc]  # aiokafka is not typed
    """The answer: an error code for each member."""

    API_KEY = LEAVE_GROUP
    API_VERSION = VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("members", Array(*MEMBER, ("error_code", Int16))),
    )


class LeaveGroupStruct(RequestStruct):  # type: ignore[misc]  # aiokafka is not typed
    """The request on the wire."""

    API_KEY = LEAVE_GROUP
    API_VERSION = VERSION
    RESPONSE_TYPE = LeaveGroupResponse
    SCHEMA = Schema(("group", String("utf-8")), ("members", Array(*MEMBER)))


class LeaveGroup(Request[LeaveGroupStruct]):  # type: ignore[misc]  # aiokafka is not typed
    """The request that one static member leaves its group."""

    API_KEY = LEAVE_GROUP

    def __init__(self, group: str, instance: str) -> None:
        self._group = group
        self._instance = instance

    def build(self, request_struct_class: type[LeaveGroupStruct]) -> LeaveGroupStruct:
        return request_struct_class(self._group, [(ANY_MEMBER_ID, self._instance)])


async def remove_static_member(
    access: KafkaAccess, group: str, instance: str, patience: float = 10.0
) -> bool:
    """Remove a static member whose process has ended. Returns whether the group had this member.

    `access` is the login of a principal that may read the group. False also if the broker does not answer within
    `patience` seconds: then the session of the member times out.
    """
    admin = AIOKafkaAdminClient(**access.client)
    try:
        async with asyncio.timeout(patience):
            await admin.start()
            coordinator = await admin.find_coordinator(group)
            answer = await admin._send_request(LeaveGroup(group, instance), coordinator)
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return not answer.error_code and all(not error for _, _, error in answer.members)


async def partitions_of(
    access: KafkaAccess, group: str, instance: str, patience: float = 10.0
) -> frozenset[tuple[str, int]]:
    """The (topic, partition) pairs that a group has given to one of its static members.

    Empty if it has no such member, if the group is dividing its partitions, or if the broker does not answer within
    `patience` seconds.
    """
    for member_id, _, _, _, assignment in await _members_of(access, group, patience) or ():
        # The broker names a static member after its instance, and adds a UUID.
        if member_id.startswith(f"{instance}-") and assignment:
            given = ConsumerProtocolMemberAssignment.decode(assignment)
            return frozenset((topic, part) for topic, parts in given.assignment for part in parts)
    return frozenset()


async def members(access: KafkaAccess, group: str, patience: float = 10.0) -> int | None:
    """How many members a group has; None if the broker does not answer within `patience` seconds."""
    found = await _members_of(access, group, patience)
    return None if found is None else len(found)


async def _members_of(access: KafkaAccess, group: str, patience: float) -> Sequence[Any] | None:
    """The members of a group as the broker describes them; None if it does not answer in time."""
    admin = AIOKafkaAdminClient(**access.client)
    try:
        async with asyncio.timeout(patience):
            await admin.start()
            [answer] = await admin.describe_consumer_groups([group])
    except (KafkaError, OSError, TimeoutError):
        return None
    finally:
        await admin.close()
    [(_, _, _, _, _, found, *_)] = answer.groups
    members: Sequence[Any] = found
    return members
