"""The command `shop end-session`: ends a database session that holds a lock which others wait for."""

from __future__ import annotations

import asyncio
from typing import Annotated

import asyncpg
import typer

from shop.commands.by_hand import running_stack
from shop_stack.admin import require_service
from shop_stack.errors import UserError
from shop_stack.stack import POSTGRES, Stack


def end_session(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service whose database it is in.")],
    session: Annotated[int, typer.Argument(metavar="SESSION", help="The process id that `shop why` names.")],
) -> None:
    """End a session in a service's database, such as a forgotten one that holds a lock.

    Its transaction is rolled back. A session of the service itself is opened again
    by the service.

    Example:

        shop end-session inventory 4711"""
    require_service(service)
    asyncio.run(end(running_stack(POSTGRES), service, session))
    typer.echo(f"Session {session} of {service} is ended, and its transaction is rolled back.")


async def end(stack: Stack, service: str, session: int) -> None:
    """End the session. Raises UserError if the service's database has no such session, or does not answer."""
    try:
        async with stack.server.connected(service) as connection:
            ended = await connection.fetchval(_END, session)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UserError(f"PostgreSQL does not answer ({error}): see `shop status`.") from None
    if not ended:
        raise UserError(
            f"The database of {service} has no session {session}: `shop why --all` names those that hold locks."
        )


_END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = $1 AND datname = current_database() AND pid <> pg_backend_pid()
"""
