"""The guard refuses each change that the previous release cannot live with, and no other change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from shop_contracts.migrations.breaks import RULES, breaks
from shop_contracts.migrations.catalog import read
from shop_stack.loops import in_own_loop
from shop_stack.postgres import Server
from testkit.databases import TestDatabase, clone

RELEASED = """
CREATE TYPE mood AS ENUM ('glad', 'calm');
CREATE TABLE books (
    id uuid PRIMARY KEY,
    title varchar(40) NOT NULL,
    state text NOT NULL DEFAULT 'IN',
    pages integer,
    CONSTRAINT books_state CHECK (state IN ('IN', 'OUT; lent'))
);
CREATE TABLE readers (id uuid PRIMARY KEY, name text NOT NULL, mood mood);
CREATE UNIQUE INDEX books_title ON books (title);
CREATE INDEX books_pages ON books (pages);
CREATE FUNCTION aged() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;
CREATE FUNCTION fresh() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER freshen BEFORE INSERT ON books FOR EACH ROW EXECUTE FUNCTION fresh();
CREATE VIEW thick AS SELECT id FROM books WHERE pages > 900;
"""
PLANTED = {
    "DROP TABLE readers": ["drop-table readers"],
    "DROP TABLE IF EXISTS readers, books CASCADE": [
        "drop-table books",
        "drop-table readers",
        "drop-table thick",
    ],
    "DROP VIEW thick": ["drop-table thick"],
    'ALTER TABLE readers DROP COLUMN "name"': ["drop-column readers.name"],
    "ALTER TABLE ONLY public.readers DROP name": ["drop-column readers.name"],
    "ALTER TABLE books DROP title": ["drop-column books.title"],
    "ALTER TABLE readers DROP name; ALTER TABLE readers ADD name text NOT NULL DEFAULT ''": [
        "drop-column readers.name"
    ],
    "DROP TABLE readers; CREATE TABLE readers (id uuid PRIMARY KEY, name text NOT NULL, mood mood)": [
        "drop-table readers"
    ],
    "ALTER TABLE readers RENAME COLUMN name TO called": ["rename readers.name"],
    "ALTER TABLE books RENAME title TO named": ["rename books.title"],
    "ALTER TABLE readers RENAME TO people": ["rename readers"],
    "ALTER INDEX books_title RENAME TO books_named": ["rename books.books_title"],
    "ALTER TYPE mood RENAME TO temper": [
        "change-type readers.mood (mood → temper)",
        "rename mood",
    ],
    "ALTER TYPE mood RENAME VALUE 'calm' TO 'quiet'": ["rename mood.calm"],
    "CREATE SCHEMA old AUTHORIZATION shelf_owner; ALTER TABLE readers SET SCHEMA old": ["drop-table readers"],
    "ALTER TABLE books ADD COLUMN shelf text NOT NULL": ["required-column books.shelf"],
    "ALTER TABLE books ADD note text, ADD shelf text NOT NULL": ["required-column books.shelf"],
    "ALTER TABLE books ADD shelf text; ALTER TABLE books ALTER shelf SET NOT NULL": [
        "required-column books.shelf"
    ],
    "ALTER TABLE readers ALTER COLUMN mood SET NOT NULL": ["set-not-null readers.mood"],
    "ALTER TABLE books ALTER title DROP NOT NULL": ["drop-not-null books.title"],
    "ALTER TABLE books ALTER state DROP DEFAULT": ["change-default books.state"],
    "ALTER TABLE books ALTER state SET DEFAULT 'OUT; lent'": ["change-default books.state"],
    "ALTER TABLE readers ALTER mood TYPE text": ["change-type readers.mood (mood → text)"],
    "ALTER TABLE books ALTER title TYPE varchar(20)": [
        "change-type books.title (character varying(40) → character varying(20))"
    ],
    "ALTER TABLE books ADD CONSTRAINT books_thin CHECK (pages < 100)": ["new-constraint books.books_thin"],
    "ALTER TABLE books ADD CONSTRAINT thin CHECK (pages < 9) NOT VALID": ["new-constraint books.thin"],
    "ALTER TABLE books ADD UNIQUE (pages)": ["new-constraint books.books_pages_key"],
    "ALTER TABLE books ADD shelf int DEFAULT 1 UNIQUE": ["new-constraint books.books_shelf_key"],
    "ALTER TABLE books ADD shelf int UNIQUE NULLS NOT DISTINCT": ["new-constraint books.books_shelf_key"],
    "ALTER TABLE books ADD shelf int CHECK (shelf IS NOT NULL)": ["new-constraint books.books_shelf_check"],
    "ALTER TABLE books ADD shelf int DEFAULT 1 CHECK (shelf > 1)": ["new-constraint books.books_shelf_check"],
    "ALTER TABLE books ADD shelf int CHECK (shelf > pages)": ["new-constraint books.books_check"],
    "CREATE UNIQUE INDEX books_once ON books (pages)": ["new-constraint books.books_once"],
    "CREATE UNIQUE INDEX once ON books (lower(title))": ["new-constraint books.once"],
    "ALTER TABLE books DROP CONSTRAINT books_state": ["drop-constraint books.books_state"],
    "DROP INDEX books_title": ["drop-constraint books.books_title"],
    "ALTER TABLE books DROP CONSTRAINT books_state, ADD CONSTRAINT books_state CHECK (state IN ('IN', 'LOST'))": [
        "redefine books.books_state"
    ],
    "ALTER TABLE books ADD owner uuid DEFAULT gen_random_uuid() REFERENCES readers ON DELETE CASCADE": [
        "new-foreign-key books.books_owner_fkey"
    ],
    "ALTER TABLE books ADD owner uuid REFERENCES readers (id)": ["new-foreign-key books.books_owner_fkey"],
    "CREATE TABLE loans (book uuid REFERENCES books)": ["new-foreign-key loans.loans_book_fkey"],
    "REVOKE UPDATE ON books FROM shelf": ["drop-right UPDATE on books"],
    "REVOKE DELETE ON ALL TABLES IN SCHEMA public FROM shelf": [
        "drop-right DELETE on books",
        "drop-right DELETE on readers",
        "drop-right DELETE on thick",
    ],
    "ALTER TABLE readers ENABLE ROW LEVEL SECURITY": [
        "drop-right DELETE on readers",
        "drop-right INSERT on readers",
        "drop-right SELECT on readers",
        "drop-right UPDATE on readers",
    ],
    "DROP FUNCTION aged": ["drop-function aged()"],
    "DROP TRIGGER freshen ON books": ["drop-trigger books.freshen"],
    "ALTER TABLE books DISABLE TRIGGER USER": ["redefine books.freshen"],
    "CREATE OR REPLACE FUNCTION aged() RETURNS int LANGUAGE sql AS 'SELECT 2'": ["redefine aged()"],
    "CREATE OR REPLACE VIEW thick AS SELECT id FROM books WHERE pages > 800": ["redefine thick"],
    "ALTER TYPE mood ADD VALUE 'sad'": ["new-value mood.sad"],
    "DO $x$ BEGIN EXECUTE 'DROP TABLE readers'; END $x$": ["drop-table readers"],
    "DO 'BEGIN ALTER TABLE readers DROP name; END'": ["drop-column readers.name"],
    "CREATE PROCEDURE tidy() LANGUAGE sql AS 'ALTER TABLE readers DROP name'; CALL tidy()": [
        "drop-column readers.name"
    ],
    "ALTER TABLE readers DROP mood, DROP name, ADD shelf text NOT NULL": [
        "drop-column readers.mood",
        "drop-column readers.name",
        "required-column readers.shelf",
    ],
}
"""A change → all that is found in it."""
ALLOWED = (
    "CREATE TABLE loans (id uuid PRIMARY KEY, book uuid NOT NULL); CREATE UNIQUE INDEX one ON loans (book); "
    "ALTER TABLE loans RENAME book TO work; ALTER TABLE loans DROP COLUMN work; DROP TABLE loans",
    "CREATE TABLE loans (id uuid PRIMARY KEY, book uuid REFERENCES books ON DELETE CASCADE)",
    "ALTER TABLE books ADD COLUMN shelf text",
    "ALTER TABLE books ADD COLUMN IF NOT EXISTS shelf text NOT NULL DEFAULT 'A; 1'",
    "ALTER TABLE books ADD shelf int CHECK (shelf > 0)",
    "ALTER TABLE books ADD shelf int DEFAULT 1 CHECK (shelf > 0)",
    "ALTER TABLE books ADD shelf int UNIQUE",
    "ALTER TABLE books ADD owner uuid REFERENCES readers ON DELETE SET NULL",
    "ALTER TABLE books ADD number bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE books ADD shelf int; ALTER TABLE books ALTER shelf SET DEFAULT 1",
    "ALTER TABLE books ADD shelf int DEFAULT 1; ALTER TABLE books ALTER shelf SET NOT NULL",
    "ALTER TABLE books ADD shelf int, ADD CONSTRAINT on_a_shelf CHECK (shelf > 0)",
    "ALTER TABLE books ADD half int GENERATED ALWAYS AS (pages / 2) STORED",
    "DROP VIEW thick; ALTER TABLE books ALTER pages TYPE bigint; "
    "CREATE VIEW thick AS SELECT id FROM books WHERE pages > 900; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON thick TO shelf",
    "ALTER TABLE books ALTER title TYPE text",
    "ALTER TABLE books ALTER title TYPE character varying(80)",
    "ALTER TABLE readers ALTER mood SET DEFAULT 'calm'",
    "ALTER TABLE books SET (fillfactor = 50); ALTER TABLE books VALIDATE CONSTRAINT books_state",
    "CREATE INDEX IF NOT EXISTS books_by_state ON books (state) -- not unique; DROP TABLE books",
    "DROP INDEX books_pages",
    "DROP INDEX books_title; CREATE UNIQUE INDEX books_title ON books (title)",
    "CREATE FUNCTION old() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
    "CREATE TRIGGER age BEFORE INSERT ON books FOR EACH ROW EXECUTE FUNCTION old()",
    "UPDATE books SET state = 'DROP TABLE books;' WHERE pages IS NULL",
    "DO $$ BEGIN IF EXISTS (SELECT FROM books) THEN RAISE EXCEPTION 'wait'; END IF; END $$",
    "GRANT SELECT ON books TO shelf; COMMENT ON TABLE books IS 'works'",
    "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM shelf",
)

FoundIn = Callable[[str], Awaitable[list[str]]]


@pytest.fixture(scope="module")
def shelf(postgres_server: Server) -> TestDatabase:
    """An empty database with the two roles of the service `shelf`."""

    async def made() -> TestDatabase:
        async with postgres_server.connected() as connection:
            return await clone(postgres_server, connection, "shelf", Path(__file__).parent)

    return in_own_loop(made())


@pytest.fixture
def found_in(shelf: TestDatabase) -> FoundIn:
    """All that the release of RELEASED cannot live with in some SQL: its rules and places."""

    async def found(sql: str) -> list[str]:
        connection = await asyncpg.connect(shelf.owner_url)
        try:
            # The transaction is never committed, so each test has the database for itself.
            await connection.execute("BEGIN")
            await connection.execute(RELEASED)
            before = await read(connection, "shelf")
            await connection.execute(sql)
            return sorted(" ".join(broken) for broken in breaks(before, await read(connection, "shelf")))
        finally:
            await connection.close()

    return found


@pytest.mark.parametrize(("sql", "names"), PLANTED.items())
async def test_a_change_that_the_previous_release_cannot_live_with_is_refused(
    found_in: FoundIn, sql: str, names: list[str]
) -> None:
    assert await found_in(sql) == names


@pytest.mark.parametrize("sql", ALLOWED)
async def test_a_change_that_only_adds_is_allowed(found_in: FoundIn, sql: str) -> None:
    assert await found_in(sql) == []


def test_each_rule_is_planted() -> None:
    planted = {name.partition(" ")[0] for names in PLANTED.values() for name in names}
    assert {"drop" if rule.startswith("drop-") and rule not in RULES else rule for rule in planted} == set(
        RULES
    )
