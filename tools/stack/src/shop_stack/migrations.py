"""Applies a service's migrations to its database, as the owner of its tables."""

from __future__ import annotations

import hashlib
from pathlib import Path

import asyncpg

from shop_stack import parts, paths, postgres, tables, venvs
from shop_stack.deployed import Deployed
from shop_stack.errors import UserError
from shop_stack.process import run
from shop_stack.stack import Stack


async def migrate(stack: Stack, release: Deployed, python: Path | None = None) -> bool:
    """Apply the new migrations of a service's release. Returns whether there may have been any.

    `python` runs them, if not the interpreter of the service's own environment.
    If the database has migrations that this release does not know, nothing changes. Raises UserError if the release
    does not run on such tables, or if a migration fails. Its output is in a log then.
    """
    name, project = release.service, release.project
    stamp = _stamp(stack, name)
    wanted = _digest(project)
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    await refuse_later_tables(stack, release)
    await upgrade(stack, release, stack.database_of(name), python)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)
    return True


def forget(stack: Stack, service: str) -> None:
    """Have the next start of a service look for new migrations, because its database was replaced."""
    _stamp(stack, service).unlink(missing_ok=True)


async def upgrade(stack: Stack, release: Deployed, database: str, python: Path | None = None) -> None:
    """Apply the migrations of a service's release to one of its databases. Raises UserError if one fails."""
    name, project = release.service, release.project
    roles = stack.passwords.roles(name)
    owner_url = stack.server.url(database, roles.owner, roles.owner_password)
    code, output = await run(
        [str(python or project.python), "-m", "alembic", "upgrade", "head"],
        cwd=project.folder,
        env={**parts.child_environment(), "MIGRATION_DATABASE_URL": owner_url},
    )
    if code != 0:
        log = stack.daemon(f"{name}-migrations").log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(output)
        raise UserError(
            f"The migrations of {name} failed: read {log}, correct {_shown(project)}/migrations, try again."
        )


async def refuse_later_tables(stack: Stack, release: Deployed) -> None:
    """Raise UserError if the tables of the database are too far ahead of the release. Nothing is changed."""
    name, version = release.service, release.version
    heads = [] if release.is_clone else tables.heads_of(name)
    if not any(head.version == version for head in heads):
        return  # code of this clone, which is no release
    found = tables.too_old(name, version, await _last_migration(stack, name), heads)
    if found is not None:
        raise UserError(f"{found.reason} Way out: {found.way_out}.")


async def _last_migration(stack: Stack, name: str) -> str:
    """The last migration of a database; empty if it has none yet. Raises UserError if PostgreSQL does not answer."""
    try:
        async with stack.server.connected(stack.database_of(name)) as database:
            if await database.fetchval("SELECT to_regclass('public.alembic_version')") is None:
                return ""
            return str(await database.fetchval("SELECT max(version_num) FROM alembic_version") or "")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise postgres.unusable(error) from error


def _stamp(stack: Stack, service: str) -> Path:
    """The file that says which migrations its database has."""
    return stack.state / "run" / f"{service}.migrated"


def _shown(project: venvs.Project) -> str:
    """The folder of a project, as seen from the repository if it is a part of it."""
    clone = project.folder.parent.parent == paths.repository()
    return f"services/{project.name}" if clone else str(project.folder)


def _digest(project: venvs.Project) -> str:
    digest = hashlib.sha256()
    files = [file for library in project.libraries for file in library.glob("src/*/migrations*.py")]
    for file in sorted([*files, *(project.folder / "migrations").rglob("*.py")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()
