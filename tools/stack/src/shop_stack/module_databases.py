"""One database for several services: a schema for each, which only its two roles can use (docs/decisions/0055)."""

from __future__ import annotations

from collections.abc import Sequence

from shop_stack.local_topics import quoted
from shop_stack.postgres import Roles, Server


async def ensure(server: Server, database: str, members: Sequence[Roles]) -> None:
    """Create the database and the schemas if they are missing, with the rights on them. Idempotent.

    The search path of a role is its service's schema. So the statements and the migrations of a service find its tables
    as in a database of its own.
    """
    async with server.connected() as connection:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(f"CREATE DATABASE {quoted(database)}")
        await connection.execute(f"REVOKE ALL ON DATABASE {quoted(database)} FROM PUBLIC")
        for roles in members:
            both = (roles.owner, roles.name)
            await connection.execute(
                f"GRANT CONNECT ON DATABASE {quoted(database)} TO {', '.join(map(quoted, both))}"
            )
            for role in map(quoted, both):
                await connection.execute(
                    f"ALTER ROLE {role} IN DATABASE {quoted(database)} SET search_path = {quoted(roles.service)}"
                )
    async with server.connected(database) as connection:
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for roles in members:
            schema, owner, name = quoted(roles.service), quoted(roles.owner), quoted(roles.name)
            await connection.execute(
                f"""
                CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
                GRANT USAGE ON SCHEMA {schema} TO {name};
                ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
                    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name};
                ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
                    GRANT USAGE, SELECT ON SEQUENCES TO {name};
                """
            )


async def let_act_as(server: Server, role: str, others: Sequence[str]) -> None:
    """Let a module's role take on the roles of others, for a saga that is one transaction. Idempotent.

    It has none of their rights until it does so (`SET ROLE`), and then it has those of the other role alone.
    """
    async with server.connected() as connection:
        for other in others:
            await connection.execute(
                f"GRANT {quoted(other)} TO {quoted(role)} WITH INHERIT FALSE, SET TRUE, ADMIN FALSE"
            )
