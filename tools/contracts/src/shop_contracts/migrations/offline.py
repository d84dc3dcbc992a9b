"""The SQL of a service's migrations, as `alembic upgrade head --sql` writes it. It needs no database."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shop_stack.errors import UserError

HEADING = re.compile(r"^-- Running upgrade .*?(\S+)$", re.MULTILINE)
BOOKKEEPING = re.compile(
    r"^(BEGIN|COMMIT);$|^(INSERT INTO|UPDATE) alembic_version [^;]*;$|^CREATE TABLE alembic_version \([^;]*;$",
    re.MULTILINE,
)
"""Statements of Alembic itself: the transaction around the migrations, and the table with the last one."""


def offline_sql(root: Path, service: str) -> Mapping[str, str]:
    """Revision → the SQL of its upgrade, in their order. Raises UserError if a migration cannot be written as SQL."""
    folder = root / "services" / service
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        raise UserError(
            f"The migrations of {service} cannot be written as SQL ({said[:200]}): let them use `op` alone, and ask "
            f"the database nothing. `cd services/{service} && alembic upgrade head --sql` shows the place."
        )
    return by_revision(done.stdout)


def by_revision(text: str) -> dict[str, str]:
    """Revision → its part of Alembic's output, without Alembic's own statements."""
    # Each part of the split is a revision, then the text behind its heading.
    _, *parts = HEADING.split(text)
    return {
        revision: BOOKKEEPING.sub("", sql).strip() + "\n"
        for revision, sql in zip(parts[::2], parts[1::2], strict=True)
    }
