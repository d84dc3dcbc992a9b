"""The migration head of a database, and that of a release."""

from __future__ import annotations

import re

from shop_lab.testbed import Testbed
from shop_stack.deployments import Deployed

REVISION = re.compile(r"^revision(?:\s*:\s*str)?\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)
BEFORE = re.compile(r"^down_revision(?:\s*:[^=]+)?\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)


async def head_of_database(testbed: Testbed, service: str) -> str:
    """The last migration that a database has."""
    async with testbed.database(service) as database:
        return str(await database.fetchval("SELECT version_num FROM alembic_version"))


def head_of_release(release: Deployed) -> str:
    """The last migration of a release: the one that no other follows. Empty if it has none."""
    texts = [file.read_text() for file in release.project.folder.glob("migrations/versions/*.py")]
    revisions = {name for text in texts for name in REVISION.findall(text)}
    followed = {name for text in texts for name in BEFORE.findall(text)}
    return max(revisions - followed, default="")
