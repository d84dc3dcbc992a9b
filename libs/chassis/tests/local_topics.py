"""A database in which the service of these tests reads its own outbox as a topic."""

from shop_stack import local_topics
from shop_stack.local_topics import Module
from shop_stack.postgres import Server
from testkit.databases import TestDatabase

TOPIC = "things.thing.v1"


async def provide_topics(server: Server, database: TestDatabase) -> None:
    """Create the view of TOPIC, and the tables of a reader."""
    async with server.connected(database.name) as connection:
        things = Module("things", "public", "chassis", "chassis_owner")
        topic = {"name": TOPIC, "owner": "things", "readers": ["things"]}
        await local_topics.provide(connection, [things], [topic])
