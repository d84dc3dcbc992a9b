"""Tokens for tests, and the keys that verify them. No issuer runs: its key set is in this process."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from chassis.service import Service
from chassis.web.issuer_keys import ALGORITHM, CURVE, IssuerKeys
from chassis.web.tokens import TokenVerifier

ISSUER = "http://127.0.0.1:1"
"""The issuer of all tokens of tests, which does not answer. The plugin sets it as OIDC_ISSUER."""
EVERY_ROLE = ("customer", "clerk", "operator")
CUSTOMER = "c-ada"
"""The subject of a token, unless a test names another."""


@cache
def signing_key(kid: str = "test-key") -> ECKey:
    """The private key with this `kid`. It is made once in a process."""
    return ECKey.generate_key(CURVE, {"kid": kid, "use": "sig", "alg": ALGORITHM})


def key_set(*keys: ECKey) -> dict[str, Any]:
    """The public keys as an issuer publishes them."""
    return {"keys": [key.as_dict(private=False) for key in keys or (signing_key(),)]}


def token(
    audience: str,
    subject: str = CUSTOMER,
    roles: Collection[str] = EVERY_ROLE,
    key: ECKey | None = None,
    **claims: Any,
) -> str:
    """A token for a service. `claims` replace claims; None leaves one out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "sub": subject,
        "aud": [audience],
        "roles": [*roles],
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }
    given = {name: value for name, value in (good | claims).items() if value is not None}
    signer = key or signing_key()
    header = {"alg": ALGORITHM, "kid": signer.kid, "typ": "at+jwt"}
    return jwt.encode(header, given, signer, algorithms=[ALGORITHM])


def login(audience: str, subject: str = CUSTOMER, roles: Collection[str] = EVERY_ROLE) -> dict[str, str]:
    """The header with a token for a service."""
    return {"Authorization": f"Bearer {token(audience, subject, roles)}"}


async def fetch_test_keys() -> Mapping[str, Any]:
    """Gives the key set of the tests, as a fetch from an issuer would."""
    return key_set()


async def verifier_of(audience: str) -> TokenVerifier:
    """A verifier that knows the keys of the tests."""
    keys = IssuerKeys(fetch_test_keys, refresh_seconds=300, valid_seconds=3600)
    await keys.refresh()
    return TokenVerifier(keys, ISSUER, audience)


async def trust_test_keys(service: Service) -> None:
    """Have a service accept the tokens of tests, and ask no issuer."""
    service.context.tokens.keys.fetch = fetch_test_keys
    await service.context.tokens.keys.refresh()
