"""What the client of the customers' directory asks, and what it makes of each answer."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from notifications.directory import Directory, DirectoryUnavailable, NoAddress, UnknownCustomer

USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "id": "cus_1",
    "emails": [{"value": "old@navy.example"}, {"value": "grace@navy.example", "primary": True}],
}
NOT_FOUND = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}
DISCOVERY = "/.well-known/openid-configuration"


class FakeDirectory(ThreadingHTTPServer):
    """An issuer with a directory. `user` is the answer to a request for an entry: status and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.user: tuple[int, Any] = (200, USER)
        self.token: tuple[int, Any] = (200, {"access_token": "t-1", "expires_in": 3600})
        self.endpoint = f"{self.url}/token"
        self.accepted = {"Bearer t-1"}
        self.asked: list[tuple[str, str]] = []
        self.form: dict[str, list[str]] = {}
        self.released = threading.Event()
        self.is_silent = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def count(self, path: str) -> int:
        """How many requests for a path there were."""
        return sum(asked == path for asked, _ in self.asked)


class Handler(BaseHTTPRequestHandler):
    server: FakeDirectory

    def do_GET(self) -> None:
        login = self.headers.get("Authorization", "")
        self.server.asked.append((self.path, login))
        if self.server.is_silent:
            self.server.released.wait(30)
            self.close_connection = True
        elif self.path == DISCOVERY:
            self._answer(200, {"token_endpoint": self.server.endpoint})
        elif login not in self.server.accepted:
            self._answer(401, {})
        else:
            self._answer(*self.server.user)

    def do_POST(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self.server.form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._answer(*self.server.token)

    def _answer(self, status: int, content: Any) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def fake() -> Iterator[FakeDirectory]:
    with FakeDirectory() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def client_of(fake: FakeDirectory, timeout: float = 5.0) -> Directory:
    return Directory(f"{fake.url}/scim/v2", fake.url, ("notifications", "s:cret"), timeout=timeout)


async def test_an_address_is_asked_for_by_the_pseudonym_with_a_token_of_its_own(fake: FakeDirectory) -> None:
    assert await client_of(fake).address_of("cus_1") == "grace@navy.example"
    login = base64.b64encode(b"notifications:s%3Acret").decode()
    assert fake.asked == [
        (DISCOVERY, ""),
        ("/token", f"Basic {login}"),
        ("/scim/v2/Users/cus_1?attributes=emails", "Bearer t-1"),
    ]
    assert fake.form == {"grant_type": ["client_credentials"], "audience": ["directory"]}


async def test_a_customer_id_is_no_part_of_a_path(fake: FakeDirectory) -> None:
    await client_of(fake).address_of("../a?b#c")
    assert fake.asked[-1][0] == "/scim/v2/Users/..%2Fa%3Fb%23c?attributes=emails"


async def test_a_token_is_kept_and_an_address_is_not(fake: FakeDirectory) -> None:
    client = client_of(fake)
    for _ in range(3):
        await client.address_of("cus_1")
    assert fake.count("/token") == 1
    assert fake.count("/scim/v2/Users/cus_1?attributes=emails") == 3
    assert "grace" not in str(vars(client))


async def test_a_token_that_is_not_accepted_any_more_is_replaced(fake: FakeDirectory) -> None:
    client = client_of(fake)
    await client.address_of("cus_1")
    fake.accepted = {"Bearer t-2"}
    fake.token = (200, {"access_token": "t-2", "expires_in": 3600})
    assert await client.address_of("cus_1") == "grace@navy.example"
    assert fake.count("/token") == 2


async def test_a_token_that_ends_soon_is_replaced(fake: FakeDirectory) -> None:
    fake.token = (200, {"access_token": "t-1", "expires_in": 30})
    client = client_of(fake)
    await client.address_of("cus_1")
    await client.address_of("cus_1")
    assert fake.count("/token") == 2


async def test_an_erased_customer_is_unknown(fake: FakeDirectory) -> None:
    fake.user = (404, NOT_FOUND)
    with pytest.raises(UnknownCustomer):
        await client_of(fake).address_of("cus_1")


async def test_no_customer_is_unknown_without_a_question(fake: FakeDirectory) -> None:
    with pytest.raises(UnknownCustomer):
        await client_of(fake).address_of("")
    assert fake.asked == []


@pytest.mark.parametrize(
    "emails", [None, [], "grace@navy.example", [5], [{}], [{"value": ""}], [{"value": 5}]]
)
async def test_an_entry_may_have_no_address(fake: FakeDirectory, emails: Any) -> None:
    fake.user = (200, {**USER, "emails": emails})
    with pytest.raises(NoAddress):
        await client_of(fake).address_of("cus_1")


@pytest.mark.parametrize(
    ("user", "slug"),
    [
        ((404, b"<html>"), "directory-404"),
        ((404, {"schemas": 5}), "directory-404"),
        ((500, {}), "directory-500"),
        ((503, NOT_FOUND), "directory-503"),
        ((302, {}), "directory-302"),
        ((403, {}), "directory-403"),
        ((200, b"<html>"), "directory-200"),
        ((200, [USER]), "directory-200"),
        ((200, b"[" * 50_000), "directory-200"),
        ((200, b" " * 100_000), "directory-ValueError"),
    ],
)
async def test_an_answer_that_is_no_entry_says_nothing_about_the_customer(
    fake: FakeDirectory, user: tuple[int, Any], slug: str
) -> None:
    fake.user = user
    with pytest.raises(DirectoryUnavailable, match=f"^{slug}$"):
        await client_of(fake).address_of("cus_1")
    assert fake.count("/elsewhere") == 0


@pytest.mark.parametrize(
    ("token", "slug"),
    [
        ((401, {"error": "invalid_client"}), "issuer-401"),
        ((200, {}), "directory-ValueError"),
        ((200, {"access_token": "t", "expires_in": "soon"}), "directory-ValueError"),
        ((200, b"no JSON"), "directory-ValueError"),
    ],
)
async def test_without_a_token_no_address_is_read(
    fake: FakeDirectory, token: tuple[int, Any], slug: str
) -> None:
    fake.token = token
    with pytest.raises(DirectoryUnavailable, match=f"^{slug}$"):
        await client_of(fake).address_of("cus_1")


async def test_the_secret_goes_to_no_address_of_another_scheme(fake: FakeDirectory) -> None:
    fake.endpoint = "file:///etc/passwd"
    with pytest.raises(DirectoryUnavailable, match="^directory-ValueError$"):
        await client_of(fake).address_of("cus_1")
    assert fake.count("/token") == 0


async def test_a_directory_that_is_silent_is_given_up_after_its_deadline(fake: FakeDirectory) -> None:
    client = client_of(fake, timeout=1.5)
    await client.address_of("cus_1")
    fake.is_silent = True
    with pytest.raises(DirectoryUnavailable, match="^directory-TimeoutError$"):
        await client.address_of("cus_1")


async def test_a_directory_that_is_away_is_unavailable(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(DirectoryUnavailable, match="^directory-ConnectionRefusedError$"):
        await Directory(url, url, ("notifications", "s")).address_of("cus_1")
