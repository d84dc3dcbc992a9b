"""The customers' directory of the issuer, as an operator uses it: SCIM 2.0 (RFC 7644)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from shop_stack import logins
from shop_stack.errors import UserError
from shop_stack.target import Issuer

AUDIENCE = "directory"
PSEUDONYM = "cus_"
"""The beginning of each pseudonym. No login name begins with it."""
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Customer:
    """An entry of the directory."""

    pseudonym: str
    login: str
    addresses: tuple[str, ...]


class CustomersDirectory:
    """A connection to the directory, with a token of the client `operator`. It is a context manager."""

    def __init__(self, issuer: Issuer) -> None:
        """Raises UserError if the issuer gives no token."""
        self._url = issuer.url
        token = logins.new_token(issuer, logins.OPERATOR, AUDIENCE)
        self._http = httpx.Client(
            base_url=f"{issuer.url}/scim/v2",
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> CustomersDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def find(self, customer: str) -> Customer | None:
        """The entry of a login name or a pseudonym. Raises UserError if the directory does not answer."""
        if customer.startswith(PSEUDONYM):
            answer = self._ask("GET", f"/Users/{quote(customer, safe='')}")
            return None if answer.status_code == 404 else self._customer(answer)
        # json.dumps quotes the name as a filter wants it (RFC 7644, 3.4.2.2).
        answer = self._ask("POST", "/Users/.search", {"filter": f"userName eq {json.dumps(customer)}"})
        return self._customer(answer) if self._body(answer).get("totalResults") else None

    def erase(self, pseudonym: str) -> None:
        """Delete an entry. It is no error if there is none. Raises UserError if the directory does not answer."""
        answer = self._ask("DELETE", f"/Users/{quote(pseudonym, safe='')}")
        if answer.status_code not in (204, 404):
            raise self._wrong(answer)

    def _ask(self, method: str, path: str, content: Any = None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=content)
        except httpx.HTTPError as error:
            raise UserError(
                f"The directory at {self._url} does not answer ({type(error).__name__}): see `shop status`, "
                "then `shop restart issuer`."
            ) from None

    def _customer(self, answer: httpx.Response) -> Customer:
        body = self._body(answer)
        try:
            [user] = body.get("Resources", [body])
            addresses = tuple(str(email["value"]) for email in user["emails"])
            return Customer(str(user["id"]), str(user["userName"]), addresses)
        except (ValueError, KeyError, TypeError):
            raise self._wrong(answer) from None

    def _body(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            raise self._wrong(answer) from None
        if answer.status_code != 200 or not isinstance(body, dict):
            raise self._wrong(answer)
        return body

    def _wrong(self, answer: httpx.Response) -> UserError:
        return UserError(
            f"The directory at {self._url} answers {answer.status_code}, and not as SCIM 2.0 says: "
            "does the issuer have the same release as this command?"
        )
