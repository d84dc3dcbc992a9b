"""`shop erase`: the entry is deleted, and a place that still has the name is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner, Result

from shop.cli import app
from shop.commands import erase
from shop_oracle.search.everywhere import Findings
from shop_oracle.search.wanted import Place, Wanted
from shop_stack.directory import Customer
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target

GRACE = Customer("cus_1", "grace", ("grace@navy.example", "grace@home.example"))


class FakeDirectory:
    """A directory with one entry."""

    def __init__(self) -> None:
        self.entries = {"grace": GRACE, "cus_1": GRACE}
        self.erased: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def find(self, customer: str) -> Customer | None:
        return self.entries.get(customer)

    def erase(self, pseudonym: str) -> None:
        self.erased.append(pseudonym)


class Shop:
    """The fakes behind the command. `hits` are those of the place `log orders`."""

    def __init__(self) -> None:
        self.directory = FakeDirectory()
        self.hits = 0
        self.not_searched: dict[str, str] = {}
        self.searched_for: list[Wanted] = []
        self.backups: Sequence[Path] = ()

    async def search(
        self, _: Target, wanted: Sequence[Wanted], backups: Sequence[Path], on_step: Any
    ) -> Findings:
        assert self.directory.erased or not self.directory.entries, "the search is after the erasure"
        self.searched_for += wanted
        self.backups = backups
        none = {each.label: 0 for each in wanted}
        clean = Place("topic orders.order.v1", 7, "records", none)
        hits = none | {wanted[0].label: self.hits}
        log = Place("log orders", 900, "bytes", hits, ("logs/orders.log",) if self.hits else ())
        return Findings([clean, log], self.not_searched)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop()

    @contextmanager
    def connect() -> Iterator[Target]:
        yield Target("test", {}, {}, "", KafkaAccess(""), {}, Path(), Path(), Path())

    monkeypatch.setattr(erase, "connect", connect)
    monkeypatch.setattr(erase, "CustomersDirectory", lambda _: shop.directory)
    monkeypatch.setattr(erase, "search", shop.search)
    return shop


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["erase", *options], env={"COLUMNS": "200", "SHOP_TARGET": "embedded"})


@pytest.mark.parametrize("customer", ["grace", "cus_1"])
def test_an_entry_is_deleted_and_its_name_and_addresses_are_searched_for(shop: Shop, customer: str) -> None:
    result = run(customer, "--also", "Grace H.", "--backup", "/a")
    assert result.exit_code == 0, result.output
    assert shop.directory.erased == ["cus_1"]
    assert [(each.label, each.text) for each in shop.searched_for] == [
        ("name", "grace"),
        ("address", "grace@navy.example"),
        ("address 2", "grace@home.example"),
        ("also 1", "Grace H."),
    ]
    assert shop.backups == [Path("/a")]
    assert "The entry cus_1 is deleted." in result.output
    assert "topic orders.order.v1" in result.output
    assert "7 records" in result.output


def test_a_hit_is_named_and_is_a_failure(shop: Shop) -> None:
    shop.hits = 2
    result = run("grace")
    assert result.exit_code == 1
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("There are hits in: log orders.")
    assert "log orders: logs/orders.log" in result.output


def test_the_findings_are_printed_as_json(shop: Shop) -> None:
    found = json.loads(run("grace", "--json").stdout)
    assert found["erased"] == "cus_1"
    assert found["places"][0] == {
        "place": "topic orders.order.v1",
        "searched": 7,
        "unit": "records",
        "hits": {"name": 0, "address": 0, "address 2": 0},
        "where": [],
    }


def test_places_that_were_not_searched_are_no_success(shop: Shop) -> None:
    shop.not_searched = {"logs": "`docker compose logs`"}
    result = run("grace")
    assert result.exit_code == 3
    assert "logs: not searched: `docker compose logs`" in result.output


def test_without_an_entry_the_name_is_searched_for(shop: Shop) -> None:
    shop.directory.entries.clear()
    result = run("grace", "--also", "grace@navy.example")
    assert result.exit_code == 0
    assert shop.directory.erased == []
    assert [each.text for each in shop.searched_for] == ["grace", "grace@navy.example"]
    assert "The directory has no entry. Only searched." in result.output


def test_a_name_that_the_directory_does_not_have_is_no_success(shop: Shop) -> None:
    shop.directory.entries.clear()
    result = run("grcae")
    assert result.exit_code == 3
    assert "The directory has no entry of grcae, so its address was not searched for" in result.output
    assert shop.directory.erased == []


@pytest.mark.parametrize("options", [("",), (" ",), ("grace", "--also", "")])
def test_an_empty_text_is_refused_and_nothing_is_deleted(shop: Shop, options: tuple[str, ...]) -> None:
    result = run(*options)
    assert (result.exit_code, shop.directory.erased) == (1, [])
    assert "An empty text is found everywhere" in str(result.exception)


def test_a_pseudonym_without_an_entry_needs_a_text_to_search_for(shop: Shop) -> None:
    shop.directory.entries.clear()
    result = run("cus_1")
    assert result.exit_code == 1
    assert "--also" in str(result.exception)
    assert run("cus_1", "--also", "grace").exit_code == 0
    assert [each.text for each in shop.searched_for] == ["grace"]
