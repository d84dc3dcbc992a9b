"""The running shop gives each login the rights of the contract, in Kafka and in PostgreSQL, and no other right."""

from typing import Any

from shop.commands.rights import differences
from shop_stack import kafka_users, topics
from shop_stack.parts import provision_kafka
from shop_stack.rights import STACK, Operation, Resource, Right, rights_of
from tests.walls import PLANTED, PLANTED_BREACHES, Login, breaches, closed_to_its_own_service

PLANTED_RIGHT = Right("orders", Resource.TOPIC, "inventory.dead-letters", Operation.WRITE)


def logins_of(floor: Any) -> tuple[Login, Login]:
    """The logins of the services at PostgreSQL, and those of the owners of their tables."""
    stack = floor.stack

    def runtime(service: str, database: str) -> str:
        roles = stack.passwords.roles(service)
        return str(stack.server.url(database, roles.name, roles.password))

    def owner(service: str, database: str) -> str:
        roles = stack.passwords.roles(service)
        return str(stack.server.url(database, roles.owner, roles.owner_password))

    return runtime, owner


async def test_kafka_allows_each_login_what_the_contract_allows_and_nothing_else(floor: Any) -> None:
    assert await differences(floor.stack) == []


async def test_a_right_too_many_in_kafka_is_seen_and_the_next_start_takes_it_away(floor: Any) -> None:
    stack = floor.stack
    granted = [*rights_of("orders", topics.entries(floor.target.contracts)), PLANTED_RIGHT]
    await kafka_users.ensure(stack.logins.of(STACK), [stack.logins.of("orders")], granted)
    assert await differences(stack) == [
        "orders may do Describe on the topic inventory.dead-letters: the contract does not say so.",
        "orders may do Write on the topic inventory.dead-letters: the contract does not say so.",
    ]
    await provision_kafka(stack)
    assert await differences(stack) == []


async def test_postgresql_lets_a_service_change_rows_of_its_own_database_and_nothing_else(floor: Any) -> None:
    runtime, owner = logins_of(floor)
    assert await breaches(runtime, owner) == []
    assert await closed_to_its_own_service(runtime) == []


async def test_a_right_too_many_in_postgresql_is_seen(floor: Any) -> None:
    async def tell(database: str, statement: str) -> None:
        async with floor.stack.server.connected(database) as connection:
            await connection.execute(statement)

    for database, give, _ in PLANTED:
        await tell(database, give)
    try:
        assert sorted(await breaches(*logins_of(floor))) == PLANTED_BREACHES
    finally:
        for database, _, take_back in PLANTED:
            await tell(database, take_back)
