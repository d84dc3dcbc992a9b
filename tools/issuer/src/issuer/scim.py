"""The directory's API: SCIM 2.0 (RFC 7644), as far as it is needed to read an address and to erase a customer.

A login name is never in a URL (RFC 7644, 7.5.2): an entry is found by a search, whose filter is in the body.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from issuer.audit import audited
from issuer.bodies import TooLarge, body_of
from issuer.clients import Role
from issuer.directory import Customer, Directory
from issuer.keys import SigningKeys

AUDIENCE = "directory"
"""The audience of the tokens that are accepted here."""
USERS = "/scim/v2/Users"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MEDIA_TYPE = "application/scim+json"
NOT_STORED = {"Cache-Control": "no-store"}
FILTER = re.compile(r'\s*userName\s+eq\s+("(?:[^"\\]|\\.)*")\s*', re.IGNORECASE)
ALWAYS = ("schemas", "id")
OF_ADDRESSES = (*ALWAYS, "emails")
"""What the role `addresses` may read."""


class ScimRefused(Exception):
    """A request that is not carried out. `status` is the HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Scim:
    """The endpoints of one directory. `url` is the issuer's address, which its tokens have as `iss`."""

    def __init__(
        self, directory: Directory, keys: SigningKeys, url: str, now: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._url = url
        self._now = now

    @property
    def routes(self) -> list[Route]:
        """The routes, with the more special one first."""
        return [
            Route(f"{USERS}/.search", audited(f"{USERS}/.search", self.search), methods=["POST"]),
            Route(f"{USERS}/{{id:path}}", self.read, methods=["GET"]),
            Route(f"{USERS}/{{id:path}}", audited(f"{USERS}/{{id}}", self.erase), methods=["DELETE"]),
        ]

    async def read(self, request: Request) -> Response:
        """200 with the entry of a pseudonym (RFC 7644, 3.4.1). The role `addresses` sees the e-mail address alone."""
        role = self._role(request, Role.ADDRESSES, Role.OPERATOR)
        found = self._directory.find(request.path_params["id"])
        if found is None:
            raise ScimRefused(404, "there is no such customer")
        user = self._user(found)
        if role is Role.ADDRESSES:
            user = _only(user, OF_ADDRESSES)
        if (asked := request.query_params.get("attributes")) is not None:
            user = _only(user, (*ALWAYS, *(name.strip() for name in asked.split(","))))
        return _answer(200, user)

    async def search(self, request: Request) -> Response:
        """200 with the entry of a login name, or with none (RFC 7644, 3.4.3). For the role `operator`."""
        self._role(request, Role.OPERATOR)
        found = self._directory.find_login(await _wanted_login(request))
        resources = [] if found is None else [self._user(found)]
        return _answer(200, {"schemas": [LIST], "totalResults": len(resources), "Resources": resources})

    async def erase(self, request: Request) -> Response:
        """204 after the entry of a pseudonym is deleted (RFC 7644, 3.6). For the role `operator`."""
        self._role(request, Role.OPERATOR)
        if not self._directory.erase(request.path_params["id"]):
            raise ScimRefused(404, "there is no such customer")
        return Response(status_code=204)

    def _user(self, customer: Customer) -> dict[str, Any]:
        return {
            "schemas": [USER],
            "id": customer.pseudonym,
            "userName": customer.login,
            "emails": [{"value": customer.email, "primary": True}],
            "meta": {
                "resourceType": "User",
                "created": customer.created_at,
                "location": f"{self._url}{USERS}/{customer.pseudonym}",
            },
        }

    def _role(self, request: Request, *allowed: Role) -> Role:
        """The role of the caller, if it is one of `allowed`. Raises ScimRefused."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ScimRefused(401, "a token is missing")
        try:
            claims = self._keys.verify(text.strip())
            is_right = (
                claims["iss"] == self._url and AUDIENCE in claims["aud"] and claims["exp"] > self._now()
            )
            roles = claims["roles"] if is_right else ()
        except (JoseError, ValueError, KeyError, TypeError):
            raise ScimRefused(401, "the token is not valid") from None
        if not is_right:
            raise ScimRefused(401, f"the token is not one for {AUDIENCE}, or it has expired")
        for role in allowed:
            if role.value in roles:
                request.state.who = claims["sub"]
                return role
        raise ScimRefused(403, f"this needs the role {' or '.join(allowed)}")


async def refuse_scim(request: Request, error: Exception) -> Response:
    """The answer to a request that is not carried out (RFC 7644, 3.12)."""
    assert isinstance(error, ScimRefused)
    if error.status in (401, 403):
        request.app.state.refusals.note(request, error.status, f"directory-{error.status}")
    body = {"schemas": [ERROR], "status": str(error.status), "detail": str(error)}
    answer = _answer(error.status, body)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _answer(status: int, body: Mapping[str, Any]) -> JSONResponse:
    return JSONResponse(body, status, NOT_STORED, MEDIA_TYPE)


def _only(user: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    wanted = {name.lower() for name in names}
    return {name: value for name, value in user.items() if name.lower() in wanted}


async def _wanted_login(request: Request) -> str:
    """The login name in the filter of a search. Raises ScimRefused."""
    try:
        asked = json.loads(await body_of(request))
        found = FILTER.fullmatch(asked["filter"])
        if found is None:
            return _unknown_filter()
        login: str = json.loads(found[1])
        login.encode()  # raises for a surrogate
        return login
    except TooLarge:
        raise ScimRefused(413, "the body is too large") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        return _unknown_filter()


def _unknown_filter() -> str:
    """Raises ScimRefused, for a body or a filter that is not understood."""
    raise ScimRefused(400, 'the body must be JSON with a filter: userName eq "…"')
