"""The client of the customers' directory, an outside system. No other module calls it (docs/decisions/0002).

It asks for one address at a time by SCIM 2.0 (RFC 7644), with a token of a client that may read addresses and nothing
else. No address is kept, logged or recorded in a span (docs/decisions/0034).

It uses `http.client` in a thread: mail is sent to few customers per second, and another HTTP library needs megabytes.
"""

import asyncio
import json
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from chassis.observability.outages import OUTAGES
from chassis.web.daemon_thread import in_daemon_thread

DEPENDENCY = "directory"
DISCOVERY = "/.well-known/openid-configuration"
SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
RENEWED_BEFORE_SECONDS = 60.0
MAX_ANSWER_BYTES = 65_536


class DirectoryUnavailable(Exception):
    """The directory, or the issuer of its token, gives no answer now. The text is a slug."""


class UnknownCustomer(Exception):
    """The directory has no entry of the customer, for example because it was erased."""


class NoAddress(Exception):
    """The entry of the customer has no e-mail address."""


class _Answer(NamedTuple):
    status: int
    body: bytes


class Directory:
    """A client of the directory at `url`, the base of its SCIM API.

    Its tokens are those of `client` at `issuer`, an OpenID Connect issuer, for `audience`. `timeout` is the deadline of
    one address, in seconds, with the token. `cafile` has the CA certificate of both servers; None: the system's CAs.
    """

    def __init__(
        self,
        url: str,
        issuer: str,
        client: tuple[str, str],
        *,
        audience: str = "directory",
        cafile: Path | None = None,
        timeout: float = 3.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._issuer = issuer.rstrip("/")
        self._login = _basic(*client)
        self._audience = audience
        self._cafile = cafile
        self._timeout = timeout
        self._token = ""
        self._token_lasts_until = 0.0  # seconds, as time.monotonic() counts

    async def address_of(self, customer_id: str) -> str:
        """The e-mail address of a customer, as the directory has it.

        Raises DirectoryUnavailable, UnknownCustomer, NoAddress.
        """
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._read(customer_id)
                if answer.status == 401:  # the issuer has changed its keys
                    self._token = ""
                    answer = await self._read(customer_id)
        except (OSError, HTTPException, ValueError) as error:
            raise DirectoryUnavailable(f"{DEPENDENCY}-{type(error).__name__}") from error
        if answer.status in (200, 404):
            OUTAGES.answered(DEPENDENCY)
        return _address_in(answer)

    async def _read(self, customer_id: str) -> _Answer:
        if not customer_id:
            raise UnknownCustomer
        url = f"{self._url}/Users/{quote(customer_id, safe='', errors='replace')}?attributes=emails"
        login = {"Authorization": f"Bearer {await self._valid_token()}"}
        return await self._ask("GET", url, login)

    async def _valid_token(self) -> str:
        if not self._token or time.monotonic() > self._token_lasts_until:
            url = _object_in(await self._ask("GET", self._issuer + DISCOVERY, {})).get("token_endpoint")
            if not isinstance(url, str) or urlsplit(url).scheme != urlsplit(self._issuer).scheme:
                raise ValueError("the issuer names no token endpoint of its own scheme")
            form = urlencode({"grant_type": "client_credentials", "audience": self._audience})
            headers = {"Authorization": self._login, "Content-Type": "application/x-www-form-urlencoded"}
            self._keep(_object_in(await self._ask("POST", url, headers, form)))
        return self._token

    def _keep(self, answer: Mapping[str, Any]) -> None:
        """Keep the token of an answer until shortly before it expires."""
        token = answer.get("access_token")
        seconds = answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise ValueError("the issuer's answer has no token")
        self._token = token
        self._token_lasts_until = time.monotonic() + seconds - RENEWED_BEFORE_SECONDS

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], form: str | None = None
    ) -> _Answer:
        connection = self._connection(url)
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            exchange = partial(_exchange, connection, method, target, form, headers, self._timeout)
            return await in_daemon_thread(exchange)
        finally:
            _hang_up(connection)

    def _connection(self, url: str) -> HTTPConnection:
        """A new connection. `http.client` follows no redirect, and uses no proxy of the environment."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._cafile)
            return HTTPSConnection(host, parts.port, timeout=self._timeout, context=context)
        return HTTPConnection(host, parts.port, timeout=self._timeout)


def _exchange(
    connection: HTTPConnection,
    method: str,
    target: str,
    form: str | None,
    headers: Mapping[str, str],
    seconds: float,
) -> _Answer:
    """Send a request and read its answer, in a thread. Raises OSError, HTTPException or ValueError."""
    deadline = time.monotonic() + seconds
    connection.request(method, target, form, {**headers, "Accept": "application/json, application/scim+json"})
    body = bytearray()
    with connection.getresponse() as answer:
        while part := answer.read1(MAX_ANSWER_BYTES):
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("the answer is too large")
            if time.monotonic() > deadline:
                raise TimeoutError
        return _Answer(answer.status, bytes(body))


def _hang_up(connection: HTTPConnection) -> None:
    """Close a connection. A thread that still reads from it ends."""
    reading = connection.sock
    if reading is not None:
        with suppress(OSError):
            reading.shutdown(socket.SHUT_RDWR)
    connection.close()


def _object_in(answer: _Answer) -> Mapping[str, Any]:
    """The JSON object in an answer. Raises DirectoryUnavailable if it is a refusal, or ValueError."""
    if answer.status != 200:
        raise DirectoryUnavailable(f"issuer-{answer.status}")
    found = _json_of(answer.body)
    if not isinstance(found, dict):
        raise ValueError("the answer is no JSON object")
    return found


def _address_in(answer: _Answer) -> str:
    """The address in an entry. Raises DirectoryUnavailable, UnknownCustomer, NoAddress."""
    found = _json_of(answer.body)
    entry = found if isinstance(found, dict) else {}
    # A 404 that is no error of SCIM is one of a proxy, or of a wrong address of the directory.
    schemas = entry.get("schemas")
    if answer.status == 404 and isinstance(schemas, list) and SCIM_ERROR in schemas:
        raise UnknownCustomer
    if answer.status != 200 or not entry:
        raise DirectoryUnavailable(f"{DEPENDENCY}-{answer.status}")
    emails = entry.get("emails")
    known = [email for email in emails if isinstance(email, dict)] if isinstance(emails, list) else []
    known.sort(key=lambda email: email.get("primary") is not True)
    address = known[0].get("value") if known else None
    if not isinstance(address, str) or not address:
        raise NoAddress
    return address


def _json_of(body: bytes) -> Any:
    """The JSON in a body; None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _basic(name: str, secret: str) -> str:
    """The login of a client, form-encoded as RFC 6749, 2.3.1 wants it."""
    login = f"{quote_plus(name)}:{quote_plus(secret)}"
    return f"Basic {b64encode(login.encode()).decode()}"
