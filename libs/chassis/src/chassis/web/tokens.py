"""Bearer tokens: JWTs that the issuer signed for this service.

Verifying a signature costs 0.1 to 0.2 ms of CPU. So the callers of verified tokens are kept until the tokens expire, at
most `CACHED_TOKENS` of them. They are forgotten when the issuer's keys change.
"""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, TypeGuard

from pydantic_core import PydanticCustomError

from chassis.web.access import Caller
from chassis.web.daemon_thread import in_daemon_thread
from chassis.web.issuer_keys import ALGORITHM, IssuerKeys, UnknownKey
from chassis.web.text import plain
from chassis.web.token_problems import (
    EXPIRED,
    FOREIGN_AUDIENCE,
    FOREIGN_ISSUER,
    NOT_YET_VALID,
    TOKEN_MALFORMED,
    TOKEN_TOO_LARGE,
    UNKNOWN_KEY,
    UNSIGNED,
    WRONG_ALGORITHM,
    WRONG_SIGNATURE,
    TokenRefused,
)

MAX_TOKEN_LENGTH = 8_192
MAX_SUBJECT_LENGTH = 64
LEEWAY_SECONDS = 30
"""The largest difference between the issuer's clock and this one."""
CACHED_TOKENS = 4_096
CURE = "Get a new token from the issuer."


class TokenVerifier:
    """Verifies tokens of one issuer for one audience, which is the name of the service."""

    def __init__(
        self, keys: IssuerKeys, issuer: str, audience: str, now: Callable[[], float] = time.time
    ) -> None:
        """`now` gives the time in seconds since 1970."""
        self.keys = keys
        self._issuer = issuer
        self._audience = audience
        self._now = now
        self._signatures: ModuleType | None = None
        self._verified: dict[str, tuple[Caller, float]] = {}
        self._generation = 0

    async def verify(self, token: str) -> Caller:
        """The caller of a token.

        A token with an unknown key waits until the keys were fetched again, if they may be fetched now.

        Raises:
            TokenRefused: 401, with a problem type for each reason.
            IssuerUnavailable: there are no keys of the issuer, or they are too old.
        """
        await self.keys.first_fetch()
        self.keys.require_usable()
        if self._generation != self.keys.generation:
            self._generation = self.keys.generation
            self._verified.clear()
        known = self._verified.get(token)
        if known is not None and self._now() < known[1]:
            return known[0]
        claims = await self._signed_claims(token)
        caller = self._checked(claims)
        self._keep(token, caller, claims["exp"] + LEEWAY_SECONDS)
        return caller

    def _keep(self, token: str, caller: Caller, until: float) -> None:
        if len(self._verified) >= CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = (caller, until)

    async def _signed_claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token whose signature is right."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenRefused(TOKEN_TOO_LARGE, f"At most {MAX_TOKEN_LENGTH} characters are read.")
        signatures = await self._loaded_signatures()
        try:
            signed = signatures.read(token)
        except signatures.NotAToken:
            raise TokenRefused(TOKEN_MALFORMED, "It is no signed JWT without critical extensions.") from None
        header = signed.headers()
        if header.get("alg") == "none":
            raise TokenRefused(UNSIGNED, f"Tokens are signed with {ALGORITHM}.")
        if header.get("alg") != ALGORITHM:
            raise TokenRefused(WRONG_ALGORITHM, f"Tokens are signed with {ALGORITHM}.")
        try:
            key = await self.keys.key(header.get("kid"))
        except UnknownKey:
            raise TokenRefused(UNKNOWN_KEY, f"The issuer publishes no key with this kid. {CURE}") from None
        if not signatures.is_signed_by(signed, key):
            raise TokenRefused(WRONG_SIGNATURE, CURE)
        try:
            claims = json.loads(signed.payload)
        except (ValueError, RecursionError):
            claims = None
        if not isinstance(claims, dict):
            raise TokenRefused(TOKEN_MALFORMED, "Its claims are no JSON object.")
        return claims

    async def _loaded_signatures(self) -> ModuleType:
        """The module `signatures`, which the first token of a process has imported in a thread."""
        if self._signatures is None:
            self._signatures = await in_daemon_thread(partial(import_module, "chassis.web.signatures"))
        return self._signatures

    def _checked(self, claims: Mapping[str, Any]) -> Caller:
        """The caller in the claims of a token whose signature is right. The claims have a right `exp` then."""
        if claims.get("iss") != self._issuer:
            raise TokenRefused(FOREIGN_ISSUER, f"This service accepts tokens of {self._issuer} only.")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if self._audience not in audiences:
            raise TokenRefused(FOREIGN_AUDIENCE, f"It needs the audience {self._audience}.")
        expires = claims.get("exp")
        not_before = claims.get("nbf", 0)
        if not _is_time(expires) or not _is_time(not_before):
            raise TokenRefused(
                TOKEN_MALFORMED, "It needs a number as exp. If it has nbf, that is a number as well."
            )
        now = self._now()
        if now >= expires + LEEWAY_SECONDS:
            raise TokenRefused(EXPIRED, CURE)
        if now < not_before - LEEWAY_SECONDS:
            raise TokenRefused(NOT_YET_VALID, "Compare the clocks of the issuer and of this service.")
        return _caller(claims)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53


def _caller(claims: Mapping[str, Any]) -> Caller:
    subject = claims.get("sub")
    roles = claims.get("roles", [])
    if not isinstance(subject, str) or not _is_name(subject) or not isinstance(roles, list):
        raise TokenRefused(TOKEN_MALFORMED, "It needs a list as roles, and one line of text as sub.")
    return Caller(subject, frozenset(role for role in roles if isinstance(role, str)))


def _is_name(subject: str) -> bool:
    """Whether a subject is a text that services may store as the name of a customer."""
    try:
        return 0 < len(plain(subject)) <= MAX_SUBJECT_LENGTH
    except PydanticCustomError:
        return False
