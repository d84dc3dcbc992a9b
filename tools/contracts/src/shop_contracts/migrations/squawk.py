"""squawk's findings in the SQL of new migrations: locks that stop a running service, rewrites of a table, wrong SQL.

squawk.toml has the rules that do not hold here, and why.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from shop_stack.errors import UserError

CONFIGURATION = Path(__file__).with_name("squawk.toml")
HEADING = re.compile(r"^-- Running upgrade .*?(\S+)$", re.MULTILINE)
CURES: Mapping[str, str] = {
    "require-concurrent-index-creation": "if the table is large, let the operator create the index CONCURRENTLY before "
    "the release; write CREATE INDEX IF NOT EXISTS, and an exception in `reviewed` with the number of rows",
    "require-concurrent-index-deletion": "the lock is short: write an exception in `reviewed` with this reason",
}
"""Rule → the way out here, where squawk's own is another one: migrations run in one transaction."""


class Warned(NamedTuple):
    """One finding of squawk."""

    revision: str
    rule: str
    message: str
    cure: str


def squawk(sql: str) -> Iterator[Warned]:
    """squawk's findings in the SQL that `alembic upgrade --sql` wrote. Raises UserError if squawk cannot be run."""
    command = [str(Path(sys.executable).with_name("squawk")), f"--config={CONFIGURATION}"]
    command += ["--reporter=json", "--stdin-filepath=migrations.sql"]
    try:
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        found = json.loads(done.stdout)
    except (OSError, ValueError):
        raise UserError("squawk does not run: install the tools again with `make lint`.") from None
    for one in found:
        above = "\n".join(sql.splitlines()[: one["line"] + 1])
        cure = CURES.get(one["rule_name"]) or one["help"] or "see the documentation of squawk"
        yield Warned(
            HEADING.findall(above)[-1], one["rule_name"], one["message"].rstrip("."), cure.rstrip(".")
        )
