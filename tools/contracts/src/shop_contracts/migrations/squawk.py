"""squawk's findings in the SQL of new migrations: locks that stop a running service, rewrites of a table, wrong SQL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shop_stack.errors import UserError

POSTGRESQL = "18.0"
OURS = (
    "ban-drop-column",
    "ban-drop-constraint",
    "ban-drop-index",
    "ban-drop-not-null",
    "ban-drop-table",
    "adding-required-field",
    "renaming-column",
    "renaming-table",
)
"""The guard reports these, with the release that they break."""
NOT_HERE: Mapping[str, str] = {
    "prefer-bigint-over-int": "a version of a row, or a number of a partition, stays small",
    "prefer-bigint-over-smallint": "a number of a shard stays small",
    "prefer-robust-stmts": "each migration is one transaction: none is left half done",
    "require-lock-timeout": "the program that starts the migration limits it, for all of them",
    "require-statement-timeout": "the program that starts the migration limits it, for all of them",
    "require-timeout-settings": "the program that starts the migration limits it, for all of them",
}
"""Rule → why it does not hold in this repository."""


CURES: Mapping[str, str] = {
    "require-concurrent-index-creation": "if the table is large, let the operator create the index CONCURRENTLY before "
    "the release; write CREATE INDEX IF NOT EXISTS, and an exception in `reviewed` with the number of rows",
    "require-concurrent-index-deletion": "the lock is short: write an exception in `reviewed` with this reason",
}
"""Rule → the way out here, where squawk's own is another one: migrations run in one transaction."""


@dataclass(frozen=True, slots=True)
class Warned:
    """One finding of squawk."""

    line: int
    """From 1."""
    rule: str
    message: str
    help: str


def squawk(sql: str) -> list[Warned]:
    """squawk's findings in the SQL of one transaction. Raises UserError if squawk cannot be run."""
    excluded = [f"--exclude={rule}" for rule in (*OURS, *NOT_HERE)]
    command = [
        str(Path(sys.executable).parent / "squawk"),
        "--reporter=json",
        "--assume-in-transaction",
        f"--pg-version={POSTGRESQL}",
        "--stdin-filepath=migrations.sql",
        *excluded,
    ]
    try:
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        found = json.loads(done.stdout)
    except (OSError, ValueError):
        raise UserError("squawk does not run: install the tools again with `make lint`.") from None
    return [Warned(one["line"] + 1, one["rule_name"], one["message"], _cure(one)) for one in found]


def _cure(one: Mapping[str, str]) -> str:
    return CURES.get(one["rule_name"]) or one.get("help") or "see the documentation of squawk"
