"""Releases for tests of deployments: copies of a service and of the chassis, with a version of their own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from shop_stack import paths
from shop_stack.deployed import Deployed

REVISION = "0" * 40
LITTER = shutil.ignore_patterns("__pycache__", ".*cache", ".hypothesis", "*.egg-info", "tests", ".venv")
MIGRATION = '''"""A table of a later release."""

from alembic import op

revision = "{revision}"
down_revision = "{last}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE of_a_later_release (id int)")


def downgrade() -> None:
    op.execute("DROP TABLE of_a_later_release")
'''


@contextmanager
def copied_release(service: str, folder: Path, version: str = "0.1.1") -> Iterator[Deployed]:
    """A release of `service`: a copy of today's code in `folder`, which a test may change before it deploys it.

    Its version is `version` with a random part, because all stacks of a clone share its environments. The environment
    is deleted when the context ends.
    """
    release = Deployed(service, f"{version}+{uuid4().hex[:8]}", folder / version, REVISION)
    for part in (f"services/{service}", "libs/chassis"):
        shutil.copytree(paths.repository() / part, release.folder / part, ignore=LITTER)
    manifest = release.folder / "services" / service / "pyproject.toml"
    text, count = re.subn(
        r'^version = ".*"$', f'version = "{release.version}"', manifest.read_text(), flags=re.M
    )
    assert count == 1, f"{manifest} has no version"
    manifest.write_text(text)
    venv = release.project.venv
    try:
        yield release
    finally:
        shutil.rmtree(venv, ignore_errors=True)
        venv.with_name(f"{venv.name}.lock").unlink(missing_ok=True)


def add_migration(release: Deployed) -> str:
    """Add a migration to a release, which creates a table. Returns its number."""
    versions = release.folder / "services" / release.service / "migrations" / "versions"
    last = max(file.name[:4] for file in versions.glob("[0-9]*.py"))
    revision = f"{int(last) + 1:04}"
    (versions / f"{revision}_later.py").write_text(MIGRATION.format(revision=revision, last=last))
    return revision


def replace_main(release: Deployed, code: str) -> None:
    """Give a release another main module, for example one that ends at once."""
    package = release.folder / "services" / release.service / "src" / release.service
    (package / "main.py").write_text(code)
