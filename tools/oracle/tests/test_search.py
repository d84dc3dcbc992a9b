"""A text that must be nowhere is found wherever it is planted, in each form in which programs write it."""

from __future__ import annotations

import gzip
import json
import os
import struct
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shop_observe.topics import Topic
from shop_oracle.errors import EvidenceMissing
from shop_oracle.search import stores
from shop_oracle.search.everywhere import search
from shop_oracle.search.files import search_backup, search_spans, search_stack
from shop_oracle.search.outside import search_outside
from shop_oracle.search.stores import search_database, search_topics
from shop_oracle.search.wanted import Place, Wanted
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target
from testkit.databases import MakeDatabase, TestDatabase

NAME = Wanted("name", "Zoë Quillfeather")
SHORT = Wanted("name", "ada")
WANTED = [NAME, Wanted("address", "zoe@quill.example")]


def with_hits(places: Sequence[Place]) -> dict[str, dict[str, int]]:
    return {place.name: dict(place.hits) for place in places if not place.is_clean}


@pytest.mark.parametrize(
    "content",
    [
        "Zoë Quillfeather",
        "…Zoë quillFEATHER…",
        json.dumps({"a": "Zoë Quillfeather"}),
        "/orders?customer=Zo%C3%AB%20Quillfeather",
        "/orders?customer=Zo%c3%ab+Quillfeather",
    ],
)
def test_a_name_is_found_in_each_form(content: str) -> None:
    assert NAME.count_in_text(content.encode()) == 1


@pytest.mark.parametrize("content", ["Zoe Quillfeather", "Zoë  Quillfeather", ""])
def test_another_name_is_not_found(content: str) -> None:
    assert NAME.count_in_text(content.encode()) == 0


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"ada", 1),
        (b'{"customer_id": "Ada"}', 1),
        (b"ada ada,ada", 3),
        (b"ada@customers.example", 1),
        (b"/orders?customer=ada", 1),
        (b"\x1fada\x1f", 1),
        (b"metadata", 0),
        (b"adapter", 0),
        (b"canada", 0),
        (b"ada_1", 0),
        (b"1ada", 0),
    ],
)
def test_a_short_name_is_found_as_a_word(content: bytes, found: int) -> None:
    assert SHORT.count_in_text(content) == found


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"..\x09ada..", 1), (b'"ada"', 1), (b"\x00ada\x00", 0), (b"metadata", 0), (b"'ada'", 1)],
)
def test_a_short_name_is_found_in_a_binary_file_as_a_value_or_in_quotes(content: bytes, found: int) -> None:
    assert SHORT.count_in_binary(content) == found


# --- Databases -----------------------------------------------------------------------------------


@pytest.fixture
async def orders(database: MakeDatabase) -> TestDatabase:
    return await database("orders")


async def plant(made: TestDatabase, *statements: str) -> None:
    connection = await asyncpg.connect(made.owner_url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_a_clean_database_has_every_table_and_no_hit(orders: TestDatabase) -> None:
    places = await search_database("orders", orders.owner_url, WANTED)
    names = {place.name for place in places}
    assert {f"database orders: public.{table}" for table in ("orders", "outbox", "inbox")} <= names
    assert {"database orders: public.dead_letters", "database orders: public.idempotency_keys"} <= names
    assert with_hits(places) == {}


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("text", "'told Zoë Quillfeather'"),
        ("jsonb", """'{"a": ["Zoë Quillfeather"]}'"""),
        ("json", """'{"a": "Zo\\u00eb Quillfeather"}'"""),
        ("text[]", "ARRAY['x', 'Zoë Quillfeather']"),
        ("bytea", "convert_to('Zoë Quillfeather', 'UTF8')"),
        ("varchar(80)", "'ZOë QUILLFEATHER'"),
    ],
)
async def test_a_name_in_any_column_of_any_table_is_found(
    orders: TestDatabase, type: str, value: str
) -> None:
    await plant(
        orders,
        f'CREATE TABLE "Odd ""table" (id int, "the column" {type}, note text)',
        f'INSERT INTO "Odd ""table" VALUES (1, {value}, NULL), (2, NULL, NULL), (3, {value}, NULL)',
    )
    places = await search_database("orders", orders.owner_url, WANTED)
    assert with_hits(places) == {"database orders: public.Odd table": {"name": 2, "address": 0}}
    [place] = [place for place in places if not place.is_clean]
    assert place.searched == 3
    assert place.where == ("orders: public.Odd table at (0,1)", "orders: public.Odd table at (0,3)")


async def test_a_database_that_is_away_is_named() -> None:
    with pytest.raises(EvidenceMissing, match="database of orders does not answer"):
        await search_database("orders", "postgresql://nobody@127.0.0.1:1/orders", WANTED)


# --- Topics --------------------------------------------------------------------------------------


@pytest.fixture
async def topics(kafka: KafkaAccess, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, str]]:
    """Two topics of the test's own, which the contract declares: one for events, one for dead letters."""
    names = (f"search-{uuid.uuid4()}", f"search-{uuid.uuid4()}")
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1) for name in names])
    declared = [Topic(name, "orders", (), (), False) for name in names]
    monkeypatch.setattr(stores, "all_topics", lambda _: declared)
    yield names
    await admin.delete_topics(list(names))
    await admin.close()


@pytest.mark.parametrize(
    "record",
    [
        {"key": b"Zo\xc3\xab Quillfeather", "value": b"{}"},
        {"value": '{"name": "Zoë Quillfeather"}'.encode()},
        {"value": b'{"name": "Zo\\u00eb Quillfeather"}'},
        {"value": None, "key": b"k", "headers": [("error", "of Zoë Quillfeather".encode())]},
        {"value": b"{}", "headers": [("Zoë Quillfeather", b"")]},
    ],
)
async def test_a_name_in_any_part_of_a_record_is_found(
    kafka: KafkaAccess, topics: tuple[str, str], tmp_path: Path, record: dict[str, Any]
) -> None:
    events, letters = topics
    producer = AIOKafkaProducer(**kafka.client, compression_type="gzip")
    await producer.start()
    for name in topics:
        await producer.send_and_wait(name, b'{"name": "another"}')
    await producer.send_and_wait(letters, **record)
    await producer.stop()
    target = Target("test", {}, {}, "", kafka, {}, tmp_path, tmp_path, tmp_path)
    places = {place.name: place for place in await search_topics(target, WANTED)}
    assert places[f"topic {events}"].searched == 1
    assert places[f"topic {letters}"].searched == 2
    assert with_hits(list(places.values())) == {f"topic {letters}": {"name": 1, "address": 0}}
    assert places[f"topic {letters}"].where[0].startswith(f"{letters}[")


# --- Files ---------------------------------------------------------------------------------------


def write_span(folder: Path, body: bytes, zipped: bool) -> None:
    folder.mkdir(exist_ok=True)
    content = gzip.compress(body) if zipped else body
    with (folder / "00000001.otlp").open("ab") as file:
        file.write(struct.pack(">IB", len(content), zipped) + content)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_name_in_a_span_is_found(tmp_path: Path, zipped: bool) -> None:
    write_span(tmp_path, b"\x0a\x05other", zipped)
    write_span(tmp_path, b"\x0a\x11" + "Zoë Quillfeather".encode() + b"\x12", zipped)
    place = search_spans(tmp_path, WANTED)
    assert (place.searched, place.hits) == (2, {"name": 1, "address": 0})


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("postgres/pg_wal/000000010000000000000001", "pg_wal"),
        ("postgres/base/5/1259", "files of PostgreSQL"),
        ("kafka/orders.order.v1-0/00000000000000000000.log", "files of Kafka"),
        ("logs/orders.log", "log orders"),
        ("spans/00000001.otlp", "files of spans"),
        ("history/1.jsonl", "histories of clients"),
        ("issuer-customers.sqlite3", "files of the issuer"),
        ("issuer-customers.sqlite3-journal", "files of the issuer"),
        ("ledger.sqlite3-wal", "other files of the stack"),
    ],
)
def test_a_name_in_a_file_of_the_stack_is_found(tmp_path: Path, file: str, place: str) -> None:
    for name, content in (("postgres/base/5/1", b""), ("logs/issuer.log", b"started"), (file, b"\0" * 9)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert with_hits(search_stack(tmp_path, WANTED)) == {}
    (tmp_path / file).write_bytes(b"\0" * 9 + b"zoe@quill.example" + b"\0" * 9)
    places = search_stack(tmp_path, WANTED)
    assert with_hits(places) == {place: {"name": 0, "address": 1}}
    assert [each.where for each in places if not each.is_clean] == [(file,)]


def test_files_beside_those_of_the_stack_are_not_searched(tmp_path: Path) -> None:
    (tmp_path / "venvs").mkdir()
    (tmp_path / "venvs" / "notes.txt").write_text("zoe@quill.example")
    assert search_stack(tmp_path, WANTED) == []


def test_a_name_in_a_backup_is_found(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "orders.sql").write_text("INSERT INTO orders VALUES ('Zoë Quillfeather');")
    place = search_backup(tmp_path / "backup", WANTED)
    assert (place.name, place.hits) == (f"backup {tmp_path / 'backup'}", {"name": 1, "address": 0})
    assert search_backup(tmp_path / "backup" / "orders.sql", WANTED).hits == place.hits


def test_a_backup_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-backup does not exist"):
        search_backup(tmp_path / "no-backup", WANTED)


# --- Containers and clusters ---------------------------------------------------------------------

PROGRAM = """#!/bin/bash
echo "$@" >> {folder}/asked
case "$*" in
    *logs*) cat {folder}/log ;;
    *postgres*tar*) tar -cf - -C {folder}/postgres . ;;
    *kafka*tar*) tar -cf - -C {folder}/kafka . ;;
    *issuer*tar*) tar -cf - -C {folder}/issuer . ;;
    *) exit 9 ;;
esac
exit $(cat {folder}/code)
"""
"""A docker or a kubectl, whose containers have the files of a folder."""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the files of a shop in containers. `docker` and `kubectl` on the PATH read them."""
    for file in (
        "postgres/18/pg_wal/1",
        "postgres/18/base/5/1",
        "kafka/topic-0/0.log",
        "issuer/customers.sqlite3",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"\0" * 99)
    (tmp_path / "log").write_text("orders-1  | started\n" * 100_000)
    (tmp_path / "code").write_text("0")
    for name in ("docker", "kubectl"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(PROGRAM.format(folder=tmp_path))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize("target", ["compose", "k8s"])
@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("postgres/18/pg_wal/1", "pg_wal"),
        ("postgres/18/base/5/1", "files of PostgreSQL"),
        ("kafka/topic-0/0.log", "files of Kafka"),
        ("issuer/customers.sqlite3", "files of the issuer"),
        ("log", "logs"),
    ],
)
def test_a_name_in_a_file_or_a_log_of_a_container_is_found(
    outside: Path, target: str, file: str, place: str
) -> None:
    places = search_outside(target, WANTED)
    assert {each.name for each in places} == {
        "logs",
        "pg_wal",
        "files of PostgreSQL",
        "files of Kafka",
        "files of the issuer",
    }
    assert with_hits(places) == {}
    with (outside / file).open("ab") as stream:
        stream.write(b" zoe@quill.example ")
    assert with_hits(search_outside(target, WANTED)) == {place: {"name": 0, "address": 1}}


def test_each_container_is_asked_by_its_name(outside: Path) -> None:
    search_outside("compose", WANTED)
    search_outside("k8s", WANTED)
    asked = (outside / "asked").read_text()
    assert "compose exec --no-TTY postgres tar -cf - -C /var/lib/postgresql ." in asked
    assert "--namespace shopfloor exec statefulset/kafka -- tar -cf - -C /var/lib/kafka/data ." in asked
    assert "compose logs --no-color" in asked


@pytest.mark.parametrize("code", ["2", "137"])
def test_a_container_that_cannot_be_read_is_named(outside: Path, code: str) -> None:
    (outside / "code").write_text(code)
    with pytest.raises(UserError, match="files of postgres cannot be read"):
        search_outside("compose", WANTED)


def test_a_container_that_does_not_run_is_named(outside: Path) -> None:
    (outside / "bin" / "docker").write_text("#!/bin/bash\nexit 1\n")
    with pytest.raises(UserError, match="files of postgres cannot be read"):
        search_outside("compose", WANTED)


def test_files_that_change_while_they_are_read_are_no_fault(outside: Path) -> None:
    (outside / "code").write_text("1")
    with pytest.raises(UserError, match="logs cannot be read"):
        search_outside("compose", WANTED)


@pytest.mark.parametrize(("name", "missed"), [("compose", set()), ("k8s", {"logs of containers that ended"})])
async def test_logs_out_of_reach_are_named(
    name: str, missed: set[str], outside: Path, kafka: KafkaAccess, topics: tuple[str, str], tmp_path: Path
) -> None:
    target = Target(name, {}, {}, "", kafka, {}, tmp_path, tmp_path, tmp_path)
    findings = await search(target, WANTED)
    assert findings.not_searched.keys() == missed
    assert findings.with_hits == []
    assert findings.as_json()["not_searched"] == findings.not_searched
