"""The HTTP API and the process: `python -m issuer.main`."""

import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from issuer.audit import Refusals, audited
from issuer.basic_login import basic_login
from issuer.bodies import TooLarge, body_of
from issuer.clients import Client, Role, WrongClient, authenticated
from issuer.directory import PREFIX, Directory
from issuer.keys import ALGORITHM, SigningKeys
from issuer.scim import Scim, ScimRefused, refuse_scim
from issuer.settings import Settings, from_environment

MAX_SUBJECT_LENGTH = 64
MAX_AUDIENCES = 30
NAME = re.compile("[a-z][a-z0-9-]{0,62}")
PERSON = re.compile("[a-z][a-z0-9.]{0,31}")
"""The name under which a clerk or an operator acts. It is written into logs."""
DISCOVERY = "/.well-known/openid-configuration"
NOT_STORED = {"Cache-Control": "no-store"}


class Refused(Exception):
    """A request that gets no token. `code` is one of RFC 6749, 5.2."""

    def __init__(self, code: str, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.code = code
        self.status = status


class Issuer:
    """The endpoints of one issuer."""

    def __init__(
        self,
        settings: Settings,
        keys: SigningKeys,
        directory: Directory,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._directory = directory
        self._now = now

    async def discover(self, _: Request) -> JSONResponse:
        """The discovery document (OpenID Connect Discovery 1.0)."""
        url = self._settings.url
        return JSONResponse(
            {
                "issuer": url,
                "jwks_uri": f"{url}/keys",
                "token_endpoint": f"{url}/token",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "scopes_supported": [role.value for role in Role],
            }
        )

    async def publish_keys(self, _: Request) -> JSONResponse:
        """The public keys as a JWK set (RFC 7517)."""
        return JSONResponse(self._keys.public())

    async def issue(self, request: Request) -> JSONResponse:
        """A token for a client (RFC 6749, 4.4), as a JWT access token (RFC 9068)."""
        form = await _form(request)
        client = self._client(request, form)
        if form.get("grant_type") != "client_credentials":
            raise Refused("unsupported_grant_type", "grant_type must be client_credentials")
        token = self._keys.sign(self._claims(client, form))
        body = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._settings.token_seconds,
            "scope": client.role.value,
        }
        return JSONResponse(body, headers=NOT_STORED)

    async def rotate(self, request: Request) -> JSONResponse:
        """A new signing key, for the client `operator`."""
        form = await _form(request)
        client = self._client(request, form)
        if client.role is not Role.OPERATOR:
            raise Refused("unauthorized_client", "only the client operator may change the keys", 403)
        request.state.who = self._subject(client, form)
        return JSONResponse({"kid": self._keys.rotate()})

    def _client(self, request: Request, form: Mapping[str, str]) -> Client:
        login = basic_login(request.headers.get("authorization", ""))
        name, secret = login or (form.get("client_id", ""), form.get("client_secret", ""))
        try:
            return authenticated(name, secret, self._settings.secrets)
        except WrongClient:
            raise Refused("invalid_client", "the client or its secret is wrong", 401) from None

    def _claims(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        audiences = _audiences(client, form)
        now = int(self._now())
        return {
            "iss": self._settings.url,
            "sub": self._subject(client, form),
            "aud": audiences,
            "client_id": client.name,
            "roles": [client.role.value],
            "iat": now,
            "nbf": now,
            "exp": now + self._settings.token_seconds,
            "jti": str(uuid4()),
        }

    def _subject(self, client: Client, form: Mapping[str, str]) -> str:
        """The subject of a token: the pseudonym of the customer with the login name `subject`, or the client's name.

        Of a client with persons it is `operator:ada`, if `subject` is ada.
        """
        if client.names_customer:
            return self._directory.pseudonym_of(_login_name(form))
        person = form.get("subject", "")
        if person in ("", client.name):
            return client.name
        if not client.has_persons:
            raise Refused("unauthorized_client", f"the client {client.name} names no customer", 403)
        if not PERSON.fullmatch(person):
            raise Refused(
                "invalid_request",
                "subject is the name of a person: a letter, then at most 31 of a to z, 0 to 9 and dot",
            )
        return f"{client.name}:{person}"


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that gets no token."""
    assert isinstance(error, Refused)
    if error.status in (401, 403):
        request.app.state.refusals.note(request, error.status, error.code)
    headers = {**NOT_STORED, **({"WWW-Authenticate": "Basic"} if error.status == 401 else {})}
    body = {"error": error.code, "error_description": str(error)}
    return JSONResponse(body, error.status, headers)


async def unwritable(_: Request, error: Exception) -> JSONResponse:
    """The answer while the file of the directory cannot be written or read, for example on a full disk."""
    body = {"error": "temporarily_unavailable", "error_description": "the directory cannot be written"}
    return JSONResponse(body, 503, NOT_STORED)


async def live(_: Request) -> JSONResponse:
    """200 while the event loop runs."""
    return JSONResponse({"status": "ok"})


def create_app(settings: Settings, now: Callable[[], float] = time.time) -> Starlette:
    """The issuer. Its keys and its directory are read, or made, here. Raises KeysDamaged, DirectoryDamaged."""
    keys = SigningKeys(settings.keys, settings.token_seconds, settings.rotation_seconds, now)
    directory = Directory(settings.customers, settings.address_domain, now)
    issuer = Issuer(settings, keys, directory, now)
    routes = [
        Route(DISCOVERY, issuer.discover),
        Route("/keys", issuer.publish_keys),
        Route("/token", issuer.issue, methods=["POST"]),
        Route("/keys/rotate", audited("/keys/rotate", issuer.rotate), methods=["POST"]),
        *Scim(directory, keys, settings.url, now).routes,
        Route("/livez", live),
        Route("/readyz", live),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        directory.close()

    app = Starlette(
        routes=routes,
        exception_handlers={Refused: refuse, ScimRefused: refuse_scim, sqlite3.Error: unwritable},
        lifespan=lifespan,
    )
    app.state.refusals = Refusals(now)
    return app


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises Refused if the body is too large, or if a field is given twice."""
    try:
        body = await body_of(request)
        fields = parse_qs(body.decode(), strict_parsing=bool(body), max_num_fields=20)
    except TooLarge as error:
        raise Refused("invalid_request", str(error), 413) from None
    except ValueError:
        raise Refused("invalid_request", "the body is no form") from None
    if any(len(values) > 1 for values in fields.values()):
        raise Refused("invalid_request", "a field is given twice")
    return {name: values[0] for name, values in fields.items()}


def _login_name(form: Mapping[str, str]) -> str:
    login = form.get("subject", "")
    if not 0 < len(login) <= MAX_SUBJECT_LENGTH or not login.isprintable() or login != login.strip():
        raise Refused("invalid_request", f"subject must be one line of 1 to {MAX_SUBJECT_LENGTH} characters")
    if login.startswith(PREFIX):
        raise Refused("invalid_request", f"subject is a login name, and none begins with {PREFIX}")
    return login


def _audiences(client: Client, form: Mapping[str, str]) -> list[str]:
    """The services that a token is for: the names in `audience`, separated by spaces."""
    names = form.get("audience", "").split()
    if not 0 < len(names) <= MAX_AUDIENCES or not all(NAME.fullmatch(name) for name in names):
        raise Refused("invalid_target", "audience must name the services that the token is for")
    if client.audiences is not None and not client.audiences.issuperset(names):
        raise Refused("invalid_target", f"tokens of the client {client.name} are not for these services")
    return names


def main() -> None:
    settings = from_environment()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="asyncio",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
