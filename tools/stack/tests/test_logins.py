"""The tools get tokens of the issuer, and keep each of them until shortly before it expires."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from shop_stack import logins
from shop_stack.errors import UserError
from shop_stack.logins import Login
from shop_stack.target import Issuer

SECRETS = {"storefront": "s-secret", "clerk": "c-secret", "operator": "o-secret"}


class FakeIssuer(HTTPServer):
    """Answers every request with `answer`, and keeps what was asked: (login, form)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: tuple[int, bytes] = (200, b'{"access_token": "t", "expires_in": 3600}')
        self.asked: list[tuple[str, dict[str, list[str]]]] = []

    @property
    def issuer(self) -> Issuer:
        return Issuer(f"http://127.0.0.1:{self.server_port}", SECRETS)


class Handler(BaseHTTPRequestHandler):
    server: FakeIssuer

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append((self.headers["Authorization"], form))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def fake() -> Iterator[FakeIssuer]:
    with FakeIssuer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("who", "client", "subject"),
    [("c-ada", "storefront", ["c-ada"]), ("clerk", "clerk", None), ("operator", "operator", None)],
)
def test_a_customer_is_named_by_the_storefront_and_others_log_in_themselves(
    fake: FakeIssuer, who: str, client: str, subject: list[str] | None
) -> None:
    assert logins.token(fake.issuer, who) == "t"
    [(login, form)] = fake.asked
    assert base64.b64decode(login.removeprefix("Basic ")).decode() == f"{client}:{SECRETS[client]}"
    assert form.get("subject") == subject
    assert "orders" in form["audience"][0].split()


def test_a_token_is_kept_and_got_again_before_it_expires(fake: FakeIssuer) -> None:
    for _ in range(3):
        logins.token(fake.issuer, "c-ada")
    assert len(fake.asked) == 1
    fake.answer = (200, b'{"access_token": "short", "expires_in": 60}')
    for _ in range(2):
        assert logins.token(fake.issuer, "c-bob") == "short"
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (401, b'{"error": "invalid_client", "error_description": "the secret is wrong"}'),
            "the secret is wrong",
        ),
        ((200, b"[]"), "shop restart issuer"),
        ((200, b"{}"), "shop restart issuer"),
        ((502, b"<html>"), "shop restart issuer"),
    ],
)
def test_an_issuer_that_gives_no_token_is_named(
    fake: FakeIssuer, answer: tuple[int, bytes], words: str
) -> None:
    fake.answer = answer
    with pytest.raises(UserError, match=words):
        logins.token(fake.issuer, "c-eve")


def test_an_issuer_that_is_away_is_named() -> None:
    with pytest.raises(UserError, match="http://127.0.0.1:1 gives no token"):
        logins.token(Issuer("http://127.0.0.1:1", SECRETS), "clerk")


def test_a_client_with_a_login_sends_the_token(fake: FakeIssuer) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=Login(fake.issuer, "operator")) as client:
        client.get("http://orders/orders")
    assert seen == ["Bearer t"]


def test_a_client_whose_token_is_refused_gets_a_new_one_once(fake: FakeIssuer) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        fake.answer = (200, b'{"access_token": "new", "expires_in": 3600}')
        return httpx.Response(401)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=Login(fake.issuer, "clerk")) as client:
        assert client.get("http://orders/orders").status_code == 401
    assert seen == ["Bearer t", "Bearer new"]


def test_a_new_shop_on_the_same_ports_has_tokens_of_its_own(fake: FakeIssuer) -> None:
    logins.token(fake.issuer, "c-ada")
    logins.token(Issuer(fake.issuer.url, {**SECRETS, "storefront": "another"}), "c-ada")
    assert len(fake.asked) == 2


def test_no_secret_is_shown(fake: FakeIssuer) -> None:
    assert "secret" not in repr(fake.issuer)


def test_a_person_who_acts_is_named_to_the_issuer_and_has_a_token_of_their_own(
    fake: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins.token(fake.issuer, "operator:ada")
    logins.token(fake.issuer, "operator")
    monkeypatch.setenv(logins.PERSON, "bob")
    logins.token(fake.issuer, "clerk")
    logins.token(fake.issuer, "c-ada")
    assert [form.get("subject") for _, form in fake.asked] == [["ada"], None, ["bob"], ["c-ada"]]
