"""The rules of new migrations: why the previous release cannot live with a change, and the way out.

N is the new release, N−1 the one before it. `shop deploy` migrates first and then replaces processes. Both run on the
new tables for a while. After a rollback N−1 runs on them alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. In the texts, {place} is what the statement names, {before} the previous release."""

    reason: str
    cure: str


TWO_RELEASES = (
    "expand and contract: release code that no longer needs it first, remove it with the release after that one, and "
    "name the first of the two in `reviewed`"
)

RULES: dict[str, Rule] = {
    "drop-table": Rule("{before} reads and writes the table {place}", TWO_RELEASES),
    "drop-column": Rule("{before} names the column {place} in its statements", TWO_RELEASES),
    "drop-object": Rule("{before} may use the {place}", TWO_RELEASES),
    "drop-constraint": Rule(
        "without {place}, an ON CONFLICT of {before} may fail, and the new code may write values that {before} does "
        "not know",
        TWO_RELEASES,
    ),
    "truncate": Rule("{before} reads the rows of {place}", TWO_RELEASES),
    "rename": Rule(
        "{before} knows {place} by its old name",
        "add the new one beside it, fill both, read the new one, and remove the old one a release later "
        "(docs/labs/independent-deploys)",
    ),
    "required-column": Rule(
        "an INSERT of {before} leaves {place} out, and it is NOT NULL without a default",
        "give it a default, or allow NULL until {before} runs nowhere",
    ),
    "set-not-null": Rule(
        "{before} may write NULL into {place}",
        "release code that always writes it first, and set NOT NULL with the release after that one",
    ),
    "drop-not-null": Rule(
        "the new code may write NULL into {place}, and {before} does not expect it",
        "release code that can read NULL first, and drop NOT NULL with the release after that one",
    ),
    "drop-default": Rule(
        "an INSERT of {before} may leave {place} out and rely on its default",
        "release code that writes it first, and drop the default with the release after that one",
    ),
    "change-type": Rule(
        "{before} reads and writes {place} by its old type",
        "add a column of the new type beside it, fill both, and remove the old one a release later; smallint → "
        "integer → bigint, varchar → text and a longer varchar need no second column",
    ),
    "new-constraint": Rule(
        "{before} may write rows that {place} refuses",
        "release code that writes only rows that fit first, and add the constraint with the release after that one",
    ),
    "new-value": Rule(
        "the new code may write a value of {place} that {before} does not know",
        "release code that can read the value first, and write it with the release after that one",
    ),
    "new-foreign-key": Rule(
        "{before} may write or delete rows that {place} refuses",
        "write rows that fit first, give it ON DELETE CASCADE or SET NULL, or leave it out",
    ),
    "drop-right": Rule(
        "{before} may need the right that {place} takes away",
        "release code that needs it no more first, and take it away with the release after that one",
    ),
    "concurrently": Rule(
        "replicas that start together wait for a lock that the migrations' transaction holds, and {place} cannot run "
        "in a transaction",
        "let the operator create the index CONCURRENTLY before the release, and write CREATE INDEX IF NOT EXISTS here",
    ),
    "hidden": Rule(
        "the block at {place} changes tables where this guard cannot see them",
        "write the changes as statements of their own",
    ),
    "unknown": Rule(
        "this guard does not know whether {before} can live with `{place}`",
        "use another statement, or teach the guard (tools/contracts/src/shop_contracts/migrations/guard.py)",
    ),
}


@dataclass(frozen=True, slots=True)
class Break:
    """A change that the previous release cannot live with. `rule` is a name of RULES."""

    line: int
    """The line of the statement, in the SQL of all migrations."""
    rule: str
    place: str
