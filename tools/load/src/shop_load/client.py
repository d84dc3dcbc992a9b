"""An HTTP client that repeats a request, with the same Idempotency-Key, until the service answers it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from shop_observe.history import History
from shop_stack import logins
from shop_stack.errors import UserError
from shop_stack.target import Target

PATIENCE = 120.0
"""The longest time, in seconds, for which a request is repeated while the service is unavailable."""


class LoadFailed(UserError):
    """The run cannot go on. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a service; `body` is {} if it is not a JSON object."""

    url: str
    status: int
    body: Mapping[str, Any]
    retry_after: float
    """Seconds after which the service wants the next attempt (`Retry-After`), at most 5; 0 if it names none."""

    @property
    def refusal(self) -> str:
        """The refusal in one sentence, with the detail of the problem body (RFC 9457)."""
        why = self.body.get("detail") or self.body.get("title") or "no reason given"
        return f"{self.url} refused with {self.status}: {why}"


class ShopClient:
    """An HTTP client of orders and inventory that repeats a failed request, for at most `patience` seconds."""

    def __init__(
        self, target: Target, history: History, concurrency: int = 16, patience: float = PATIENCE
    ) -> None:
        self._issuer = target.issuer
        self.orders = target.service_urls["orders"]
        self.inventory = target.service_urls["inventory"]
        self._history = history
        self.patience = patience
        # aiohttp, because the client shares two cores with the shop that it measures, and must use little CPU.
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=2 * concurrency + 2),
            timeout=aiohttp.ClientTimeout(total=10.0),
        )
        self._dice = random.Random(0)

    async def __aenter__(self) -> ShopClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def post(
        self, url: str, operation: str, body: Any, *, who: str, key: str = "", **facts: Any
    ) -> Answer:
        """Send a POST until the answer is neither 5xx nor 429. `facts` are written into the history.

        `who` logs in: the id of a customer, `clerk` or `operator`.

        Raises LoadFailed if there is no such answer for `patience` seconds, or if the issuer refuses.
        """
        headers = {"Idempotency-Key": key} if key else {}

        async def attempt() -> Answer:
            login = await self._login(who)
            number = self._history.asked(operation, key=key, **facts)
            answer = await self._ask("POST", url, json=body, headers=headers | login)
            order_id = answer.body.get("order_id", "") if answer.status < 300 else ""
            self._history.answered(number, answer.status, order_id)
            return answer

        return await self._insist(url, attempt)

    async def get(self, url: str, *, who: str, **query: str) -> Answer:
        """Send a GET until the answer is neither 5xx nor 429. Raises LoadFailed as `post` does."""

        async def attempt() -> Answer:
            return await self._ask("GET", url, params=query, headers=await self._login(who))

        return await self._insist(url, attempt)

    async def _login(self, who: str) -> dict[str, str]:
        """The header with a token. Raises LoadFailed if the issuer refuses."""
        token = logins.kept(self._issuer, who)
        if token is None:
            asked = logins.request_of(self._issuer, who)
            login = {"Authorization": aiohttp.encode_basic_auth(asked.client, asked.secret)}
            answer = await self._ask("POST", asked.url, data=asked.form, headers=login)
            if answer.status >= 500:
                raise aiohttp.ClientError(f"the issuer answers {answer.status}")
            if answer.status != 200:
                raise LoadFailed(
                    f"{asked.url} refused with {answer.status}: {answer.body.get('error_description')}"
                )
            token = logins.keep(self._issuer, who, answer.body)
        return {"Authorization": f"Bearer {token}"}

    async def _insist(self, url: str, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        given_up = time.monotonic() + self.patience
        pause = 0.1
        while True:
            try:
                answer = await attempt()
            except (aiohttp.ClientError, TimeoutError) as error:
                reason, wait = type(error).__name__, 0.0
            else:
                if answer.status < 500 and answer.status != 429:
                    return answer
                reason, wait = answer.refusal, answer.retry_after
            if time.monotonic() > given_up:
                raise LoadFailed(
                    f"{url} did not answer a request for {self.patience:.0f} s (last: {reason}). "
                    "See `shop status` and `shop logs`."
                )
            await asyncio.sleep(max(wait, pause * self._dice.uniform(0.5, 1.5)))
            pause = min(2.0, pause * 2)

    async def _ask(self, method: str, url: str, **request: Any) -> Answer:
        async with self._client.request(method, url, **request) as response:
            text = await response.read()
            asked = response.headers.get("Retry-After", "")
            wait = min(5.0, float(asked)) if asked.isdigit() else 0.0
            return Answer(url, response.status, json_object(text), wait)


def json_object(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
