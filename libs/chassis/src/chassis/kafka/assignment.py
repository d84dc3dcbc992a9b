"""The partitions that a consumer has been assigned, and whether Kafka lets it read them."""

from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer

from chassis.observability.status import OK, TaskStatus


@dataclass(slots=True)
class Assignment:
    """The partitions that the group has assigned to this process."""

    is_assigned: bool = False
    """Whether the consumer is a member of the group and knows its partitions. A member may have no partition."""
    is_answered: bool = False
    """Whether Kafka has answered a fetch of each assigned partition. A missing right to read is known only then."""
    partitions: frozenset[int] = frozenset()
    """The partition numbers of the last assignment, without the topic: one number can stand for partitions of several
    topics. They stay while the group divides its partitions again."""
    status: TaskStatus = field(default_factory=TaskStatus)

    def begin(self, partitions: frozenset[int]) -> None:
        """The consumer has these partitions now, and has fetched nothing of them."""
        self.is_assigned = True
        self.partitions = partitions
        self.status.set_step("makes its first fetch")

    def end(self) -> None:
        """The consumer has no partition until the next assignment."""
        self.is_assigned = self.is_answered = False

    def note_answers(self, client: AIOKafkaConsumer) -> None:
        """The status is `ok` as soon as each partition's first fetch was answered without an error."""
        if self.is_answered or not self.is_assigned:
            return
        # Only an answer without an error has a high watermark.
        if all(client.highwater(at) is not None for at in client.assignment()):
            self.is_answered = True
            self.status.set(OK)
