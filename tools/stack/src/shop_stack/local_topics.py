"""The topics of a database with several modules: a view of each outbox per topic, and the rights on them.

The rights are those of the contract, as in Kafka (`shop_stack.rights`): a reader may read its topics, and no other. No
role may use the schema of another module (docs/decisions/0055).

As a program it does so for the modules that LOCAL_MODULES names, in the database at TOPICS_DATABASE_URL:

    LOCAL_MODULES=orders,inventory TOPICS_DATABASE_URL=postgresql://postgres@localhost/monolith \\
        python -m shop_stack.local_topics
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from shop_stack import topics
from shop_stack.errors import UserError

SCHEMA = "topics"
"""The schema of the views. `chassis.local` reads them there."""
COLUMNS = "id, xid, shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data"
"""The columns of an outbox that a reader needs."""

TABLES = """
    CREATE TABLE IF NOT EXISTS {schema}.reader_position (
        topic text,
        shard smallint,
        snapshot pg_snapshot NOT NULL,
        upper pg_snapshot,
        after_id bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (topic, shard)
    ) WITH (fillfactor = 50);
    CREATE TABLE IF NOT EXISTS {schema}.reader_lease (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        owner uuid,
        lease_until timestamptz
    );
    INSERT INTO {schema}.reader_lease DEFAULT VALUES ON CONFLICT DO NOTHING;
    ALTER TABLE {schema}.reader_position OWNER TO {owner};
    ALTER TABLE {schema}.reader_lease OWNER TO {owner};
    GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.reader_position, {schema}.reader_lease TO {role};
"""
"""The two tables of a reader: where it is in each shard of each topic, and which process reads."""


@dataclass(frozen=True)
class Module:
    """A module in a database: its schema, and its two roles."""

    name: str
    schema: str
    role: str
    owner: str


async def provide(
    connection: asyncpg.Connection[Any], modules: Sequence[Module], topics: Sequence[Mapping[str, Any]]
) -> None:
    """Create the views of the modules' topics, the rights on them, and each module's tables of a reader. Idempotent.

    `connection` is one of the superuser, to the database of the modules. `topics` are those of contracts/topics.yaml.
    The migrations of all modules must have run.
    """
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(SCHEMA)}")
    for module in modules:
        schema, role, owner = quoted(module.schema), quoted(module.role), quoted(module.owner)
        await connection.execute(TABLES.format(schema=schema, role=role, owner=owner))
        await connection.execute(f"GRANT USAGE ON SCHEMA {quoted(SCHEMA)} TO {role}, {owner}")
    by_name = {module.name: module for module in modules}
    for topic in topics:
        if topic["owner"] in by_name:
            readers = [by_name[reader] for reader in topic["readers"] if reader in by_name]
            await _provide_topic(connection, topic["name"], by_name[topic["owner"]], readers)


async def _provide_topic(
    connection: asyncpg.Connection[Any], topic: str, owner: Module, readers: Sequence[Module]
) -> None:
    view = f"{quoted(SCHEMA)}.{quoted(topic)}"
    name = topic.replace("'", "''")
    await connection.execute(
        f"""
        CREATE OR REPLACE VIEW {view} AS SELECT {COLUMNS} FROM {quoted(owner.schema)}.outbox WHERE topic = '{name}';
        ALTER VIEW {view} OWNER TO {quoted(owner.owner)};
        """
    )
    for reader in readers:
        await connection.execute(f"GRANT SELECT ON {view} TO {quoted(reader.role)}, {quoted(reader.owner)}")


def quoted(identifier: str) -> str:
    """A name as PostgreSQL reads an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


async def main(url: str, names: Sequence[str], contracts: Path) -> None:
    """Provide the topics of these modules in a database. Raises UserError if it does not answer, or refuses."""
    modules = [Module(name, name, name, f"{name}_owner") for name in names]
    try:
        connection = await asyncpg.connect(url, timeout=30)
        try:
            await provide(connection, modules, topics.entries(contracts))
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UserError(f"The database does not provide the topics: {error}") from error


if __name__ == "__main__":
    try:
        given = os.environ["TOPICS_DATABASE_URL"], os.environ["LOCAL_MODULES"].split(",")
        asyncio.run(main(*given, Path("contracts")))
    except UserError as failure:
        sys.exit(str(failure))
    except KeyError as failure:
        sys.exit(f"{failure.args[0]} is missing: set the database's address, and the modules between commas.")
