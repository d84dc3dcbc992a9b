"""Cuts one service off from its database, as a broken network would: its role gets no connection."""

from __future__ import annotations

from typing import Any

import asyncpg

from shop_stack.local_topics import quoted


async def cut_off(superuser: asyncpg.Connection[Any], role: str) -> None:
    """Refuse new connections of a role (SQLSTATE 53300), and end those that it has."""
    await superuser.execute(f"ALTER ROLE {quoted(role)} CONNECTION LIMIT 0")
    await superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)


async def admit(superuser: asyncpg.Connection[Any], role: str) -> None:
    """Let a role connect again, as often as it likes."""
    await superuser.execute(f"ALTER ROLE {quoted(role)} CONNECTION LIMIT -1")
