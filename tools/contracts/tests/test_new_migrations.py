"""`shop contracts migrations`: the new migrations of a service, written as SQL, judged, and their exceptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_contracts.migrations.check import Finding, check
from shop_contracts.migrations.squawk import squawk
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import Clone

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


def findings(clone: Clone) -> list[Finding]:
    """All findings in the migrations of `shelf`."""
    (verdict,) = [verdict for verdict in check(clone.root) if verdict.service == "shelf"]
    return list(verdict.findings)


def reviewed(finding: str, unread_after: str) -> str:
    return f'reviewed = {{"{finding}": {{"reason": "no code names it", "unread_after": "{unread_after}"}}}}\n'


def test_released_migrations_are_not_judged_again(shelf: Clone) -> None:
    verdicts = {verdict.service: verdict for verdict in check(shelf.root)}
    assert (verdicts["shelf"].previous, verdicts["shelf"].new, verdicts["shelf"].findings) == (
        "0.1.0",
        (),
        (),
    )
    assert (verdicts["desk"].previous, verdicts["desk"].new) == ("", ())


def test_a_new_migration_is_refused_with_release_reason_and_cure(shelf: Clone) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books DROP COLUMN pages, DROP COLUMN state")
    pages, state = findings(shelf)
    assert (pages.migration, pages.name) == ("0003.py", DROPPED)
    assert "shelf 0.1.0 names the column books.pages" in pages.sentence
    assert "Way out: expand and contract" in pages.sentence
    assert state.name == "drop-column books.state"


def test_what_came_after_the_release_may_go_again(shelf: Clone) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books ADD COLUMN shelf text")
    migrate(shelf, "0004", "0003", "ALTER TABLE books DROP COLUMN shelf")
    migrate(shelf, "0005", "0004", "ALTER TABLE books DROP COLUMN pages")
    (found,) = findings(shelf)
    assert (found.migration, found.name) == ("0005.py", DROPPED)


def test_an_exception_counts_when_a_later_release_than_the_last_reader_is_out(shelf: Clone) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books DROP COLUMN pages", reviewed(DROPPED, "0.1.0"))
    (early,) = findings(shelf)
    assert "0.1.0 still needs it, and that is the last release" in early.sentence
    (shelf.root / "services/shelf/migrations/versions/0003.py").unlink()
    shelf.release("shelf", "0.2.0")
    migrate(shelf, "0003", "0002", "ALTER TABLE books DROP COLUMN pages", reviewed(DROPPED, "0.1.0"))
    assert findings(shelf) == []


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (reviewed(DROPPED, "0.9.0"), "'0.9.0' is no release"),
        (reviewed(DROPPED, ""), "it names no release"),
        (reviewed("drop-table books", "0.1.0"), "the migration does no such thing"),
    ],
)
def test_an_exception_that_says_nothing_true_is_refused(shelf: Clone, more: str, complaint: str) -> None:
    migrate(shelf, "0003", "0002", "ALTER TABLE books DROP COLUMN pages", more)
    assert any(complaint in found.sentence for found in findings(shelf))


@pytest.mark.parametrize(
    "more",
    [
        "reviewed = ['drop-column books.pages']",
        "reviewed = {'drop-column books.pages': {'unread_after': '0.1.0'}}",
        "reviewed = {'drop-column books.pages': {'reason': 'x', 'unread_since': '0.1.0'}}",
        "reviewed = dict()",
    ],
)
def test_an_exception_of_another_form_is_one_sentence(shelf: Clone, more: str) -> None:
    migrate(shelf, "0003", "0002", "SELECT 1", more)
    with pytest.raises(UserError, match="`reviewed`"):
        check(shelf.root)


def test_squawk_sees_a_lock_that_stops_the_service_and_an_exception_covers_it(shelf: Clone) -> None:
    index = "CREATE INDEX books_by_pages ON books (pages)"
    name = "squawk:require-concurrent-index-creation"
    migrate(shelf, "0003", "0002", index)
    (found,) = findings(shelf)
    assert (found.migration, found.name) == ("0003.py", name)
    assert "number of rows" in found.sentence
    migrate(shelf, "0003", "0002", index, f'reviewed = {{"{name}": {{"reason": "books has 20 rows"}}}}\n')
    assert findings(shelf) == []


def test_an_index_of_a_new_table_locks_nobody(shelf: Clone) -> None:
    migrate(shelf, "0003", "0002", "CREATE TABLE loans (id uuid PRIMARY KEY, book uuid)")
    migrate(shelf, "0004", "0003", "CREATE INDEX loans_by_book ON loans (book)")
    assert findings(shelf) == []


def test_wrong_sql_is_seen() -> None:
    assert [warned.rule for warned in squawk("ALTER TABLE books ADD COLUM;")] != []
    assert squawk("ALTER TABLE books ADD COLUMN shelf text;") == []


def test_a_released_migration_never_changes(shelf: Clone) -> None:
    migrate(shelf, "0002", "0001", "ALTER TABLE books ADD COLUMN state text NOT NULL")
    (found,) = findings(shelf)
    assert (found.migration, found.name) == ("0002_b.py", "edited")


def test_a_migration_that_asks_the_database_is_one_sentence(shelf: Clone) -> None:
    migrate(shelf, "0003", "0002", "SELECT 1")
    file = shelf.root / "services/shelf/migrations/versions/0003.py"
    file.write_text(file.read_text() + "    op.get_bind().exec_driver_sql('SELECT 1').fetchall()\n")
    with pytest.raises(UserError, match="cannot be written as SQL"):
        check(shelf.root)


@pytest.mark.parametrize(
    ("revision", "before", "complaint"),
    [("0003", "0001", "both follow 0001"), ("0003", "0009", "follows 0009, which no migration is")],
)
def test_migrations_are_a_single_row(shelf: Clone, revision: str, before: str, complaint: str) -> None:
    migrate(shelf, revision, before, "SELECT 1")
    with pytest.raises(UserError, match=complaint):
        check(shelf.root)


def test_a_migration_that_databases_have_is_not_deleted(shelf: Clone) -> None:
    (shelf.root / "services/shelf/migrations/versions/0002_b.py").unlink()
    with pytest.raises(UserError, match="0002 of shelf 0.1.0 is gone"):
        check(shelf.root)


def test_the_new_migrations_of_this_repository_are_accepted() -> None:
    verdicts = check(Path(__file__).resolve().parents[3])
    assert [finding.sentence for verdict in verdicts for finding in verdict.findings] == []
