"""`shop contracts migrations`: the new migrations of a service, written as SQL, judged, and their exceptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from shop_contracts.migrations.check import Finding, Verdict, check, found_in, unreviewed
from shop_contracts.migrations.scripts import Script, new_since, scripts
from shop_contracts.migrations.squawk import squawk
from shop_contracts.releases.release import all_of, services
from shop_stack.errors import UserError
from shop_stack.postgres import Server
from tools.contracts.tests.mini_clone import Clone

pytestmark = pytest.mark.long

ENVIRONMENT = """from sqlalchemy import MetaData

from chassis.postgres.migrations import run_env

run_env(MetaData())
"""
MIGRATION = """from alembic import op

revision = "{revision}"
down_revision = {before}
{more}

def upgrade() -> None:
    op.execute({sql!r})
"""
ROOT = Path(__file__).resolve().parents[3]
DROPPED_TIME = "drop-column reservations.updated_at"
DROPPED = "drop-column books.pages"
TABLE = "CREATE TABLE books (id uuid PRIMARY KEY, title text NOT NULL, pages bigint)"


def migrate(clone: Clone, revision: str, before: str | None, sql: str, more: str = "") -> None:
    """Write a migration of the service `shelf`."""
    text = MIGRATION.format(
        revision=revision, before=None if before is None else f'"{before}"', sql=sql, more=more
    )
    name = {"0001": "0001_a", "0002": "0002_b"}.get(revision, revision)
    clone.write(f"services/shelf/migrations/versions/{name}.py", text)


@pytest.fixture
def shelf(clone: Clone) -> Clone:
    """A clone whose service `shelf` has the release 0.1.0 with two migrations."""
    clone.write("services/shelf/alembic.ini", "[alembic]\nscript_location = %(here)s/migrations\n")
    clone.write("services/shelf/migrations/env.py", ENVIRONMENT)
    migrate(clone, "0001", None, TABLE)
    migrate(clone, "0002", "0001", "ALTER TABLE books ADD COLUMN state text")
    clone.release("shelf")
    return clone


Findings = Callable[[], Awaitable[Sequence[Finding]]]


@pytest.fixture
def findings(shelf: Clone, postgres_server: Server) -> Findings:
    """All findings in the migrations of `shelf`."""

    async def found() -> Sequence[Finding]:
        (verdict,) = [one for one in await check(shelf.root, postgres_server) if one.service == "shelf"]
        return verdict.findings

    return found


def reviewed(finding: str, unread_after: str) -> str:
    return f'reviewed = {{"{finding}": {{"reason": "no code names it", "unread_after": "{unread_after}"}}}}\n'


async def test_released_migrations_are_not_judged_again(shelf: Clone) -> None:
    desk, found = await check(shelf.root)
    assert desk == Verdict("desk", "", [], [])
    assert found == Verdict("shelf", "0.1.0", [], [])


async def test_a_new_migration_is_refused_with_release_reason_and_cure(
    shelf: Clone, findings: Findings
) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books DROP COLUMN pages, DROP COLUMN state")
    pages, state = await findings()
    assert (pages.migration, pages.name) == ("0003.py", DROPPED)
    assert pages.sentence.startswith("shelf/0003.py: drop-column books.pages: shelf 0.1.0 may use it.")
    assert "Way out: expand and contract" in pages.sentence
    assert state.name == "drop-column books.state"


async def test_what_came_after_the_release_may_go_again(shelf: Clone, findings: Findings) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books ADD COLUMN shelf text")
    migrate(shelf, "0004", "0003", "ALTER TABLE books DROP COLUMN shelf")
    migrate(shelf, "0005", "0004", "ALTER TABLE books DROP COLUMN pages")
    (found,) = await findings()
    assert (found.migration, found.name) == ("0005.py", DROPPED)


async def test_an_exception_counts_when_a_later_release_than_the_last_reader_is_out(
    shelf: Clone, findings: Findings
) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books DROP COLUMN pages", reviewed(DROPPED, "0.1.0"))
    (early,) = await findings()
    assert "0.1.0 needs it, and that is the last release" in early.sentence
    (shelf.root / "services/shelf/migrations/versions/0003.py").unlink()
    shelf.release("shelf", "0.2.0")
    migrate(shelf, "0003", "0002", "ALTER TABLE books DROP COLUMN pages", reviewed(DROPPED, "0.1.0"))
    assert await findings() == []


@pytest.mark.parametrize(
    ("finding", "unread_after", "complaint"),
    [
        (DROPPED, "0.9.0", "the last release that needs it, and '0.9.0' is none"),
        (DROPPED, "", "the last release that needs it, and '' is none"),
        (DROPPED, "0.2.0", "0.2.0 needs it, and that is the last release"),
        ("drop-table books", "0.1.0", "the migration does no such thing"),
    ],
)
def test_an_exception_that_says_nothing_true_is_refused(
    finding: str, unread_after: str, complaint: str
) -> None:
    exception = {"reason": "no code names it", "unread_after": unread_after}
    script = Script(Path("0003.py"), "0003", {finding: exception})
    found = [Finding("shelf", "0003.py", DROPPED, "0.2.0 may use it", "expand and contract")]
    assert complaint in list(unreviewed(found, "shelf", [script], ["0.1.0", "0.2.0"]))[-1].sentence


@pytest.mark.parametrize(
    "more",
    [
        "reviewed = ['drop-column books.pages']",
        "reviewed = {'drop-column books.pages': {'unread_after': '0.1.0'}}",
        "reviewed = {'drop-column books.pages': {'reason': 'x', 'unread_since': '0.1.0'}}",
    ],
)
async def test_an_exception_of_another_form_is_one_sentence(shelf: Clone, more: str) -> None:
    migrate(shelf, "0003", "0002", "SELECT 1", more)
    with pytest.raises(UserError, match="`reviewed`"):
        await check(shelf.root)


async def test_squawk_sees_a_lock_that_stops_the_service_and_an_exception_covers_it(
    shelf: Clone, findings: Findings
) -> None:
    index = "CREATE INDEX books_by_pages ON books (pages)"
    name = "squawk:require-concurrent-index-creation"
    migrate(shelf, "0003", "0002", index)
    (found,) = await findings()
    assert (found.migration, found.name) == ("0003.py", name)
    assert "number of rows" in found.sentence
    migrate(shelf, "0003", "0002", index, f'reviewed = {{"{name}": {{"reason": "books has 20 rows"}}}}\n')
    assert await findings() == []


async def test_an_index_of_a_new_table_locks_nobody(shelf: Clone, findings: Findings) -> None:
    migrate(shelf, "0003", "0002", "CREATE TABLE loans (id uuid PRIMARY KEY, book uuid)")
    migrate(shelf, "0004", "0003", "CREATE INDEX loans_by_book ON loans (book)")
    assert await findings() == []


def test_wrong_sql_is_seen() -> None:
    heading = "-- Running upgrade 0001 -> 0002\n\n"
    assert {warned.revision for warned in squawk(heading + "ALTER TABLE books ADD COLUM;")} == {"0002"}
    assert list(squawk(heading + "ALTER TABLE books ADD COLUMN shelf text;")) == []


async def test_a_released_migration_never_changes(shelf: Clone, findings: Findings) -> None:
    migrate(shelf, "0002", "0001", "ALTER TABLE books ADD COLUMN state text NOT NULL")
    (found,) = await findings()
    assert (found.migration, found.name) == ("0002_b.py", "edited")


async def test_a_released_migration_of_the_chassis_never_changes(shelf: Clone, findings: Findings) -> None:
    tables = "libs/chassis/src/chassis/postgres/sql/migrations_0001.sql"
    shelf.write(tables, "CREATE TABLE inbox (id uuid)")
    shelf.release("shelf", "0.2.0")
    shelf.write(tables, "CREATE TABLE inbox (id uuid NOT NULL)")
    shelf.write(tables.replace("0001", "0002"), "CREATE TABLE outbox (id uuid)")
    (found,) = await findings()
    assert (found.migration, found.name) == ("migrations_0001.sql", "edited")


async def test_a_break_that_a_later_migration_takes_back_is_none(shelf: Clone, findings: Findings) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books RENAME pages TO sheets")
    migrate(shelf, "0004", "0003", "ALTER TABLE books RENAME sheets TO pages")
    assert await findings() == []


async def test_a_migration_that_fails_is_one_sentence(shelf: Clone, findings: Findings) -> None:
    migrate(shelf, "0003", "0002", "CREATE INDEX CONCURRENTLY books_by_pages ON books (pages)")
    with pytest.raises(UserError, match="fails on empty tables .*-> 0003.*transaction block"):
        await findings()


async def test_a_migration_that_asks_the_database_is_one_sentence(shelf: Clone) -> None:
    migrate(shelf, "0003", "0002", "SELECT 1")
    file = shelf.root / "services/shelf/migrations/versions/0003.py"
    file.write_text(file.read_text() + "    op.get_bind().exec_driver_sql('SELECT 1').fetchall()\n")
    with pytest.raises(UserError, match="cannot be written as SQL"):
        await check(shelf.root)


@pytest.mark.parametrize(
    ("revision", "before", "complaint"),
    [("0003", "0001", "multiple heads"), ("0003", "0009", "0009")],
)
async def test_migrations_are_a_single_row(shelf: Clone, revision: str, before: str, complaint: str) -> None:
    migrate(shelf, revision, before, "SELECT 1")
    with pytest.raises(UserError, match=complaint):
        await check(shelf.root)


async def test_a_migration_that_databases_have_is_not_deleted(shelf: Clone) -> None:
    (shelf.root / "services/shelf/migrations/versions/0002_b.py").unlink()
    with pytest.raises(UserError, match="0002 of shelf 0.1.0 is gone"):
        await check(shelf.root)


async def test_the_new_migrations_of_this_repository_are_accepted() -> None:
    verdicts = await check(ROOT)
    assert [finding.sentence for verdict in verdicts for finding in verdict.findings] == []


@pytest.mark.parametrize("service", services(ROOT))
async def test_the_migrations_of_each_release_left_the_one_before_running(
    postgres_server: Server, service: str
) -> None:
    releases = all_of(ROOT, service)
    row = scripts(ROOT, service)
    for number, (before, after) in enumerate(pairwise(releases), start=1):
        later = [script.revision for script in new_since(row, after)]
        new = [script for script in new_since(row, before) if script.revision not in later]
        if new:
            found = await found_in(postgres_server, ROOT / "services" / service, new, before)
            known = [release.version for release in releases[:number]]
            assert list(unreviewed(found, service, new, known)) == []


async def test_the_half_of_a_split_that_takes_away_came_a_release_later(postgres_server: Server) -> None:
    """The trigger and `updated_at` of inventory: release 0.1.0 needs them, 0.2.0 does not."""
    first, *_ = all_of(ROOT, "inventory")
    new = new_since(scripts(ROOT, "inventory"), first)[:2]
    found = await found_in(postgres_server, ROOT / "services/inventory", new, first)
    (early,) = [one for one in unreviewed(found, "inventory", new, ["0.1.0"]) if DROPPED_TIME in one.name]
    assert "0.1.0 needs it, and that is the last release" in early.sentence
