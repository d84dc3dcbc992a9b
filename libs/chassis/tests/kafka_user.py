"""A Kafka user of a test's own, whose rights the test gives and takes."""

from dataclasses import dataclass

from shop_stack import kafka_users
from shop_stack.kafka_access import KafkaAccess
from shop_stack.rights import Operation, Resource, Right


@dataclass
class User:
    """A Kafka user with a topic, and a group of its own name."""

    admin: KafkaAccess
    login: KafkaAccess
    topic: str

    @property
    def name(self) -> str:
        return self.login.username

    async def may(self, *on_topic: Operation, group: bool = True) -> None:
        """Have exactly these rights."""
        rights = [Right(self.name, Resource.TOPIC, self.topic, operation) for operation in on_topic]
        if group:
            rights.append(Right(self.name, Resource.GROUP, self.name, Operation.READ))
        await kafka_users.ensure(self.admin, [self.login], rights)
