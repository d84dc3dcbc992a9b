"""An operator finds and erases an entry of the customers' directory, at the issuer of the box."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from issuer.main import create_app
from issuer.settings import Settings
from shop_stack import logins
from shop_stack.directory import Customer, CustomersDirectory
from shop_stack.errors import UserError
from shop_stack.passwords import ISSUER_CLIENTS
from shop_stack.ports import free_port
from shop_stack.target import Issuer

SECRETS = {name: f"{name}-secret" for name in ISSUER_CLIENTS}


class Announced(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    """The issuer, in a thread."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings("127.0.0.1", port, url, tmp_path / "keys", tmp_path / "customers", SECRETS)

    # The factory is called in the thread that serves: SQLite's connection belongs to the thread that opens it.
    config = uvicorn.Config(
        lambda: create_app(settings), factory=True, host="127.0.0.1", port=port, log_level="error"
    )
    server = Announced(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.listens.wait(30)
    yield Issuer(url, SECRETS)
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("login", ["grace", 'gr"ace', "gr\\ace", "grace@navy.example", "Zoë"])
def test_a_customer_is_found_by_login_name_and_by_pseudonym_and_erased(issuer: Issuer, login: str) -> None:
    logins.new_token(issuer, login, "orders")
    with CustomersDirectory(issuer) as directory:
        found = directory.find(login)
        assert found is not None
        assert found.login == login
        assert found.addresses == (login if "@" in login else f"{login}@customers.example",)
        assert directory.find(found.pseudonym) == found
        directory.erase(found.pseudonym)
        assert directory.find(login) is None
        assert directory.find(found.pseudonym) is None
        directory.erase(found.pseudonym)


def test_a_customer_who_never_came_is_not_found(issuer: Issuer) -> None:
    with CustomersDirectory(issuer) as directory:
        assert directory.find("grace") is None
        assert directory.find("cus_0/../../token") is None


def test_a_directory_that_is_away_is_named() -> None:
    with pytest.raises(UserError, match="shop restart issuer"):
        CustomersDirectory(Issuer("http://127.0.0.1:1", SECRETS))


def test_only_the_operator_opens_the_directory(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "OPERATOR", "clerk")
    with CustomersDirectory(issuer) as directory, pytest.raises(UserError, match="answers 403"):
        directory.find("grace")


def test_an_entry_is_what_the_directory_has(issuer: Issuer) -> None:
    logins.new_token(issuer, "grace", "orders")
    with CustomersDirectory(issuer) as directory:
        found = directory.find("grace")
    assert isinstance(found, Customer)
    assert found.pseudonym.startswith("cus_")
