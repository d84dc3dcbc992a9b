"""The public keys of the issuer. They are fetched in the background and kept in memory.

- They are fetched every `refresh_seconds`. A token with an unknown `kid` has them fetched as well, at most once every
  RETRY_SECONDS.
- So the issuer may change its keys at any time. No service is started again.
- While the issuer does not answer, the last keys are used for `valid_seconds`. Then requests are answered 503.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from chassis.errors import Unavailable
from chassis.observability.outages import OUTAGES
from chassis.observability.status import OK, TaskStatus

ALGORITHM = "ES256"
CURVE = "P-256"
RETRY_SECONDS = 5.0
"""Shortest time between two fetches for an unknown `kid`, and the pause after a fetch that failed."""
MAX_KEYS = 32
COORDINATE = re.compile("[A-Za-z0-9_-]{43}")
"""A coordinate of a point of P-256: 32 bytes in base64url."""
ISSUER = "issuer"
"""The name of the issuer as a dependency, in logs, answers and `/readyz`."""

FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gets the issuer's JWK set. Raises OSError, TimeoutError or ValueError if that fails."""


class IssuerUnavailable(Unavailable):
    """The issuer's keys are not known: it has not answered yet, or not for too long."""

    dependency = ISSUER


class UnknownKey(LookupError):
    """The issuer has no key with this kid."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of the issuer. It is not checked here whether its point lies on the curve; `signatures` does that."""

    kid: str
    x: str
    y: str

    def as_jwk(self) -> dict[str, Any]:
        """The key as a JWK (RFC 7517)."""
        return {"kty": "EC", "crv": CURVE, "x": self.x, "y": self.y, "kid": self.kid}


class IssuerKeys:
    """The issuer's keys by their `kid`. `run` keeps them up to date."""

    def __init__(
        self,
        fetch: FetchKeys,
        refresh_seconds: float,
        valid_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without keys until the first fetch. `clock` gives a time in seconds that never runs backwards."""
        self.fetch = fetch
        self.status = TaskStatus(stalled_seconds=valid_seconds)
        self.generation = 0
        """Grows whenever the keys change."""
        self._refresh_seconds = refresh_seconds
        self._valid_seconds = valid_seconds
        self._clock = clock
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._asked_at: float | None = None  # when an unknown `kid` last had the keys fetched
        self._fetching: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Fetch the keys again and again, until cancelled."""
        try:
            while True:
                await self.refresh()
                is_current = self._fetched_at is not None and self._fetched_at == self._tried_at
                is_settled = is_current and not OUTAGES.is_away(ISSUER)
                await asyncio.sleep(self._refresh_seconds if is_settled else RETRY_SECONDS)
        finally:
            if self._fetching is not None:
                self._fetching.cancel()

    def require_usable(self) -> None:
        """Raises IssuerUnavailable if there are no keys, or if they are too old."""
        if self._fetched_at is None or self._clock() - self._fetched_at > self._valid_seconds:
            raise IssuerUnavailable("the issuer's keys are not known")

    async def first_fetch(self) -> None:
        """Return when the first fetch has ended, even if it failed. Later calls return at once.

        A new process has opened its port before it has the keys. Its first requests wait for them.
        """
        if self._tried_at is None:
            await self.refresh()

    async def key(self, kid: object) -> PublicKey:
        """The key with this `kid`. If it is not known, the keys are fetched again first, at most every RETRY_SECONDS.

        A regular fetch does not use up this limit, because the issuer may begin to use a new key right after it. Raises
        UnknownKey.
        """
        if isinstance(kid, str):
            if kid not in self._keys and self._may_fetch():
                if self._fetching is None:
                    self._asked_at = self._clock()
                await self.refresh()
            if kid in self._keys:
                return self._keys[kid]
        raise UnknownKey(kid)

    def _may_fetch(self) -> bool:
        if self._fetching is not None:
            return True
        return self._asked_at is None or self._clock() - self._asked_at >= RETRY_SECONDS

    async def refresh(self) -> None:
        """Fetch the keys. Callers at the same time wait for the same fetch. If it fails, the last keys stay."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        began = self._clock()
        try:
            keys = usable_keys(await self.fetch())
        except (OSError, TimeoutError, ValueError) as error:
            self._failed(error)
        else:
            if keys != self._keys:
                self._keys = keys
                self.generation += 1
            self._fetched_at = began
            self.status.set(OK)
            OUTAGES.answered(ISSUER)
        finally:
            self._tried_at = began
            self._fetching = None

    def _failed(self, error: Exception) -> None:
        OUTAGES.failed(ISSUER, "keys", error)
        try:
            self.require_usable()
        except IssuerUnavailable:
            self.status.set(f"away: {type(error).__name__}")


def usable_keys(document: Mapping[str, Any]) -> dict[str, PublicKey]:
    """The keys of a JWK set that may sign tokens, by `kid`. Other keys are left out.

    Raises ValueError if there is none.
    """
    listed = document.get("keys")
    keys: dict[str, PublicKey] = {}
    for jwk in listed[:MAX_KEYS] if isinstance(listed, list) else ():
        key = _signing_key(jwk)
        if key is not None:
            keys.setdefault(jwk["kid"], key)
    if not keys:
        raise ValueError(f"the issuer publishes no key for {ALGORITHM}")
    return keys


def _signing_key(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        return None
    is_for_signatures = jwk.get("use", "sig") == "sig" and jwk.get("alg", ALGORITHM) == ALGORITHM
    if not is_for_signatures or jwk.get("kty") != "EC" or jwk.get("crv") != CURVE:
        return None
    x = jwk.get("x")
    y = jwk.get("y")
    if not _is_coordinate(x) or not _is_coordinate(y):
        return None
    return PublicKey(jwk["kid"], x, y)


def _is_coordinate(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and COORDINATE.fullmatch(value) is not None
