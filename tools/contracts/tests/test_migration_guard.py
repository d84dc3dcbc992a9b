"""The guard refuses each change that the previous release cannot live with, and no other change."""

from __future__ import annotations

import pytest

from shop_contracts.migrations.columns import widens
from shop_contracts.migrations.guard import breaks
from shop_contracts.migrations.rules import RULES
from shop_contracts.migrations.sql import statements
from shop_contracts.migrations.tables import Tables

RELEASED = """
CREATE TABLE books (
    id uuid PRIMARY KEY,
    title varchar(40) NOT NULL,
    state text NOT NULL DEFAULT 'IN',
    pages integer,
    CONSTRAINT books_state CHECK (state IN ('IN', 'OUT; lent'))
);
CREATE TABLE readers (id uuid PRIMARY KEY, name text NOT NULL);
CREATE UNIQUE INDEX books_title ON books (title);
CREATE INDEX books_pages ON books (pages);
CREATE FUNCTION aged() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;
"""
PLANTED = {
    "DROP TABLE books": "drop-table books",
    "DROP TABLE IF EXISTS readers, books CASCADE": "drop-table readers",
    'ALTER TABLE books DROP COLUMN "pages"': "drop-column books.pages",
    "ALTER TABLE ONLY public.books DROP pages": "drop-column books.pages",
    "ALTER TABLE books RENAME COLUMN pages TO sheets": "rename books.pages",
    "ALTER TABLE books RENAME pages TO sheets": "rename books.pages",
    "ALTER TABLE books RENAME TO works": "rename books",
    "ALTER TABLE books SET SCHEMA old": "rename books",
    "ALTER TABLE books ADD COLUMN shelf text NOT NULL": "required-column books.shelf",
    "ALTER TABLE books ADD note text, ADD shelf text NOT NULL": "required-column books.shelf",
    "ALTER TABLE books ALTER COLUMN pages SET NOT NULL": "set-not-null books.pages",
    "ALTER TABLE books ADD shelf text; ALTER TABLE books ALTER shelf SET NOT NULL": "set-not-null books.shelf",
    "ALTER TABLE books ALTER title DROP NOT NULL": "drop-not-null books.title",
    "ALTER TABLE books ALTER state DROP DEFAULT": "drop-default books.state",
    "ALTER TABLE books ALTER pages TYPE smallint": "change-type books.pages (integer → smallint)",
    "ALTER TABLE books ALTER title TYPE varchar(20)": "change-type books.title (varchar ( 40 ) → varchar ( 20 ))",
    "ALTER TABLE books ALTER pages SET DATA TYPE text USING pages::text": "change-type books.pages (integer → text)",
    "ALTER TABLE books ADD CONSTRAINT books_thin CHECK (pages < 100)": "new-constraint books.books_thin",
    "ALTER TABLE books ADD CONSTRAINT thin CHECK (pages < 9) NOT VALID": "new-constraint books.thin",
    "ALTER TABLE books ADD UNIQUE (pages)": "new-constraint books.unique (",
    "ALTER TABLE books ADD shelf int DEFAULT 1 UNIQUE": "new-constraint books.shelf",
    "ALTER TABLE books ADD shelf int CHECK (shelf IS NOT NULL)": "new-constraint books.shelf",
    "CREATE UNIQUE INDEX books_once ON books (pages)": "new-constraint books.books_once",
    "CREATE UNIQUE INDEX once ON books (lower(title))": "new-constraint books.once",
    "CREATE INDEX CONCURRENTLY thick ON books (pages)": "concurrently create index concurrently thick",
    "ALTER TABLE books DROP CONSTRAINT books_state": "drop-constraint books.books_state",
    "DROP INDEX books_title": "drop-constraint books.books_title",
    "ALTER TABLE books ADD owner uuid REFERENCES readers (id)": "new-foreign-key the foreign key owner → readers",
    "CREATE TABLE loans (book uuid REFERENCES books)": "new-foreign-key the foreign key book → books",
    "REVOKE UPDATE ON books FROM shelf": "drop-right revoke update on books from shelf",
    "ALTER TABLE books ENABLE ROW LEVEL SECURITY": "drop-right ALTER TABLE books enable row level security",
    "ALTER TABLE books OWNER TO admin": "drop-right ALTER TABLE books owner to admin",
    "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM shelf": "drop-right "
    "alter default privileges revoke select on tables from shelf",
    "TRUNCATE books": "truncate books",
    "DROP FUNCTION aged": "drop-object function aged",
    "CREATE OR REPLACE FUNCTION aged() RETURNS int LANGUAGE sql AS 'SELECT 2'": "drop-object function aged",
    "ALTER TYPE mood ADD VALUE 'sad'": "new-value alter type mood",
    "ALTER TYPE mood RENAME TO temper": "rename type mood",
    "DO $x$ BEGIN EXECUTE 'DROP TABLE books'; END $x$": "hidden line 1",
    "DO 'BEGIN ALTER TABLE books DROP pages; END'": "hidden line 1",
    "CALL tidy()": "unknown call tidy ( )",
    "ALTER TABLE books DISABLE TRIGGER ALL": "unknown ALTER TABLE books disable trigger all",
}
"""A change → the name of the first thing that is found in it."""
ALLOWED = (
    "CREATE TABLE loans (id uuid PRIMARY KEY, book uuid NOT NULL); CREATE UNIQUE INDEX one ON loans (book); "
    "ALTER TABLE loans RENAME book TO work; ALTER TABLE loans DROP COLUMN work; DROP TABLE loans",
    "CREATE TABLE loans (id uuid PRIMARY KEY, book uuid REFERENCES books ON DELETE CASCADE)",
    "ALTER TABLE books ADD COLUMN shelf text",
    "ALTER TABLE books ADD COLUMN IF NOT EXISTS shelf text NOT NULL DEFAULT 'A; 1'",
    "ALTER TABLE books ADD shelf int CHECK (shelf > 0)",
    "ALTER TABLE books ADD shelf int UNIQUE",
    "ALTER TABLE books ADD number bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE books ADD shelf int; ALTER TABLE books ALTER shelf SET DEFAULT 1",
    "ALTER TABLE books ADD shelf int DEFAULT 1; ALTER TABLE books ALTER shelf SET NOT NULL",
    "ALTER TABLE books ADD shelf int, ADD CONSTRAINT on_a_shelf CHECK (shelf > 0)",
    "ALTER TABLE books ALTER pages TYPE bigint",
    "ALTER TABLE books ALTER title TYPE text",
    "ALTER TABLE books ALTER title TYPE character varying(80)",
    "ALTER TABLE books ALTER state SET DEFAULT 'OUT; lent'",
    "ALTER TABLE books SET (fillfactor = 50); ALTER TABLE books VALIDATE CONSTRAINT books_state",
    "CREATE INDEX IF NOT EXISTS books_by_state ON books (state) -- not unique; DROP TABLE books",
    "DROP INDEX books_pages",
    "CREATE OR REPLACE FUNCTION fresh() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
    "CREATE TRIGGER freshen BEFORE INSERT ON books FOR EACH ROW EXECUTE FUNCTION fresh()",
    "UPDATE books SET state = 'DROP TABLE books;' WHERE pages IS NULL",
    "DO $$ BEGIN IF EXISTS (SELECT FROM books) THEN RAISE EXCEPTION 'wait'; END IF; END $$",
    "GRANT SELECT ON books TO shelf; COMMENT ON TABLE books IS 'works'",
)


def found_in(sql: str) -> list[str]:
    """The names of the changes in the SQL that the release of RELEASED cannot live with."""
    before = Tables()
    for statement in statements(RELEASED):
        before.add(statement)
    return [f"{broken.rule} {broken.place}" for broken in breaks(before, statements(sql))]


@pytest.mark.parametrize(("sql", "name"), PLANTED.items())
def test_a_change_that_the_previous_release_cannot_live_with_is_refused(sql: str, name: str) -> None:
    assert found_in(sql)[:1] == [name]


@pytest.mark.parametrize("sql", ALLOWED)
def test_a_change_that_only_adds_is_allowed(sql: str) -> None:
    assert found_in(sql) == []


def test_each_rule_is_planted() -> None:
    assert {name.partition(" ")[0] for name in PLANTED.values()} == set(RULES)


def test_each_change_of_a_statement_is_a_finding() -> None:
    assert found_in("ALTER TABLE books DROP pages, DROP state, ADD shelf text NOT NULL") == [
        "drop-column books.pages",
        "drop-column books.state",
        "required-column books.shelf",
    ]


def test_a_finding_has_the_line_of_its_statement() -> None:
    (broken,) = breaks(Tables({"books": {}}), statements("SELECT 1;\n\n-- gone\nDROP TABLE books;\n"))
    assert broken.line == 4


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ("integer", "bigint", True),
        ("bigint", "integer", False),
        ("varchar ( 40 )", "varchar ( 41 )", True),
        ("varchar ( 40 )", "varchar ( 39 )", False),
        ("varchar ( 40 )", "varchar", True),
        ("varchar", "varchar ( 40 )", False),
        ("text", "varchar", False),
        ("uuid", "text", False),
        ("timestamp", "timestamptz", False),
    ],
)
def test_a_type_is_wider_if_no_program_sees_a_difference(old: str, new: str, wider: bool) -> None:
    assert widens(old, new) is wider
