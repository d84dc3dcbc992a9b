"""Tokens of a shop's issuer, for the tools: as a customer, as `clerk` or as `operator`.

A clerk or an operator may have a name, as in `operator:ada`, so that the audit lines of the services tell acts apart.
Without it the name is that of SHOP_AS. A token is kept in this process until shortly before it expires.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.target import Issuer

CLERK = "clerk"
OPERATOR = "operator"
STOREFRONT = "storefront"
"""The client that asks for tokens of customers."""
PERSON = "SHOP_AS"
"""The variable with the name of the person who acts as clerk or operator."""
RENEWED_BEFORE_SECONDS = 300.0
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request for a token."""

    url: str
    client: str
    secret: str
    form: Mapping[str, str]


_kept: dict[tuple[str, ...], tuple[str, float]] = {}
"""(issuer's address, secret, who) → a token, and the time at which it is renewed. A new shop on the same ports has new
secrets."""


def acting_person() -> str:
    """The name in SHOP_AS; empty if there is none."""
    return os.environ.get(PERSON, "")


def client_of(who: str) -> str:
    """The client that asks for the tokens of `who`."""
    role = who.partition(":")[0]
    return role if role in (CLERK, OPERATOR) else STOREFRONT


def _place(issuer: Issuer, who: str) -> tuple[str, ...]:
    return issuer.url, issuer.secrets.get(client_of(who), ""), who


def request_of(issuer: Issuer, who: str, audience: str = " ".join(SERVICES)) -> TokenRequest:
    """The request for a token. `who` is `clerk` or `operator`, with or without `:NAME`, or a customer's login name.

    `audience` names the services that the token is for, separated by spaces.
    """
    client = client_of(who)
    form = {"grant_type": "client_credentials", "audience": audience}
    if client == STOREFRONT:
        form["subject"] = who
    elif person := who.partition(":")[2] or acting_person():
        form["subject"] = person
    return TokenRequest(f"{issuer.url}/token", client, issuer.secrets[client], form)


def kept(issuer: Issuer, who: str) -> str | None:
    """A token that was got before and lasts, or None."""
    text, until = _kept.get(_place(issuer, who), ("", 0.0))
    return text if time.time() < until else None


def keep(issuer: Issuer, who: str, answer: Mapping[str, Any]) -> str:
    """Keep the token in an answer of the issuer. Returns the token. Raises KeyError or ValueError if it has none."""
    text = str(answer["access_token"])
    _kept[_place(issuer, who)] = (text, time.time() + float(answer["expires_in"]) - RENEWED_BEFORE_SECONDS)
    return text


def forget(issuer: Issuer, who: str) -> None:
    """Forget a token that was refused, so that the next one is got from the issuer."""
    _kept.pop(_place(issuer, who), None)


def token(issuer: Issuer, who: str) -> str:
    """A token for the services. Raises UserError if the issuer does not answer, or refuses."""
    if (text := kept(issuer, who)) is not None:
        return text
    return _asked_for(issuer, who, request_of(issuer, who), lambda body: keep(issuer, who, body))


def new_token(issuer: Issuer, who: str, audience: str) -> str:
    """A token for another audience than the services, which is not kept. Raises UserError as `token` does."""
    asked = request_of(issuer, who, audience)
    return _asked_for(issuer, who, asked, lambda body: str(body["access_token"]))


def _asked_for(
    issuer: Issuer, who: str, asked: TokenRequest, token_in: Callable[[Mapping[str, Any]], str]
) -> str:
    login = (asked.client, asked.secret)
    try:
        answer = httpx.post(asked.url, data=asked.form, auth=login, timeout=TIMEOUT_SECONDS, trust_env=False)
        body = answer.json()
        if answer.is_error:
            raise UserError(f"The issuer gives no token for {who!r}: {body.get('error_description', body)}")
        return token_in(body)
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"The issuer at {issuer.url} gives no token ({type(error).__name__}): see `shop status`, "
            "then `shop restart issuer`."
        ) from None


def header(issuer: Issuer, who: str) -> dict[str, str]:
    """The HTTP header with a token. Raises UserError as `token` does."""
    return {"Authorization": f"Bearer {token(issuer, who)}"}


class Login(httpx.Auth):
    """Logs each request of an httpx client in. The token is got with the first request.

    A request that is answered 401 is sent once more with a new token: the issuer may have new keys.
    """

    def __init__(self, issuer: Issuer, who: str) -> None:
        """`who` as in `request_of`."""
        self._issuer = issuer
        self._who = who

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token. Raises UserError as `token` does."""
        request.headers["Authorization"] = f"Bearer {token(self._issuer, self._who)}"
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            forget(self._issuer, self._who)
            request.headers["Authorization"] = f"Bearer {token(self._issuer, self._who)}"
            yield request
