"""`alembic upgrade head --sql` writes the statements of a service's migrations, and needs no database."""

import os
import shutil
import sys
from pathlib import Path

from libs.chassis.tests.conftest import PROJECT
from shop_stack.process import run

WITHOUT_DATABASE = {
    name: value
    for name, value in os.environ.items()
    if name not in ("DATABASE_URL", "MIGRATION_DATABASE_URL")
}


async def test_the_statements_of_all_migrations_are_written_without_a_database() -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"]
    code, output = await run(command, cwd=PROJECT, env=WITHOUT_DATABASE)
    assert code == 0, output
    positions = [
        output.index(part)
        for part in (
            "CREATE TABLE outbox (",
            "ADD COLUMN consumed",
            "CREATE TABLE outbox_set_aside",
            "COMMIT;",
        )
    ]
    assert positions == sorted(positions)


async def test_the_statements_are_written_as_they_run(tmp_path: Path) -> None:
    project = shutil.copytree(PROJECT, tmp_path / "project")
    (project / "migrations/versions/0004_odd.py").write_text(
        'from alembic import op\n\nrevision = "0004"\ndown_revision = "0003"\n\n\n'
        'def upgrade() -> None:\n    op.execute("UPDATE outbox SET shard = shard % 2")\n'
    )
    command = [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"]
    code, output = await run(command, cwd=project, env=WITHOUT_DATABASE)
    assert code == 0, output
    assert "UPDATE outbox SET shard = shard % 2;" in output


async def test_a_migration_that_runs_still_needs_one() -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    code, output = await run(command, cwd=PROJECT, env=WITHOUT_DATABASE)
    assert code != 0
    assert "Set MIGRATION_DATABASE_URL" in output
