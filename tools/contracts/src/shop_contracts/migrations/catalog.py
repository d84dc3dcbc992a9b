"""The catalog that migrations leave: everything that a release can rely on."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from shop_stack import postgres
from shop_stack.errors import UserError

THINGS = Path(__file__).with_name("catalog.sql").read_text()


@dataclass(frozen=True, slots=True)
class Thing:
    """A table, a column, a constraint or the like, with the facts of catalog.sql."""

    kind: str
    name: str
    identity: str
    facts: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """The full names of the columns that a constraint concerns."""
        return [f"{self.facts['of']}.{column}" for column in self.facts.get("columns") or ()]


Catalog = Mapping[tuple[str, str], Thing]
"""(kind, name) → thing."""


async def catalogs(server: postgres.Server, service: str, texts: Sequence[str]) -> list[Catalog]:
    """The catalog after each text of SQL, one after the other, in a scratch database of the server.

    They run with the rights of the tables' owner. The roles keep their passwords, because other databases of the
    server may be in use. Raises UserError if a text fails.
    """
    roles = postgres.Roles(service, password="", owner_password="")
    name = f"scratch_{secrets.token_hex(6)}"
    await postgres.create_missing_roles(server, roles)
    await postgres.ensure_database(server, name, roles)
    found = []
    try:
        async with server.connected(name) as connection:
            await connection.execute(f'SET SESSION AUTHORIZATION "{roles.owner}"')
            for text in texts:
                await connection.execute(text)
                found.append(await read(connection, roles.name))
    except asyncpg.PostgresError as error:
        heading = text.strip().splitlines()[0].removeprefix("-- ")
        raise UserError(f"A migration of {service} fails on empty tables ({heading}): {error}.") from None
    finally:
        async with server.connected() as superuser:
            await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    return found


async def read(connection: asyncpg.Connection[Any], role: str) -> Catalog:
    """The catalog of a database. `role` is the one that the service logs in as."""
    rows = await connection.fetch(THINGS, role)
    things = [Thing(row["kind"], row["name"], row["identity"], json.loads(row["facts"])) for row in rows]
    catalog = {(thing.kind, thing.name): thing for thing in things}
    for thing in things:
        if thing.facts.get("check"):
            thing.facts["refuses_defaults"] = await _refuses_defaults(connection, thing, catalog)
    return catalog


async def _refuses_defaults(connection: asyncpg.Connection[Any], check: Thing, catalog: Catalog) -> bool:
    """Whether a CHECK refuses a row that leaves all of its columns out. PostgreSQL computes it."""
    row = []
    for column in check.columns:
        facts = catalog["column", column].facts
        row.append(f'CAST({facts["default"] or "NULL"} AS {facts["type"]}) AS "{column.split(".")[1]}"')
    try:
        kept = await connection.fetchval(f"SELECT {check.facts['check']} FROM (SELECT {', '.join(row)})")
    except asyncpg.PostgresError:  # the default is computed from other columns
        return True
    return kept is False
