"""The signatures of tokens, by joserfc.

`tokens` imports this module with the first token of a process, because it needs 5 MB of memory. Most workers never get
a token.
"""

from functools import lru_cache

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from chassis.web.issuer_keys import ALGORITHM, MAX_KEYS, PublicKey

SignedToken = jws.CompactSignature


class NotAToken(ValueError):
    """A text that is no signed JWT, or that has critical extensions."""


def read(token: str) -> SignedToken:
    """The parts of a token. Its signature may be wrong. Raises NotAToken."""
    try:
        signed = jws.extract_compact(token.encode())
        is_readable = isinstance(signed.headers(), dict) and "crit" not in signed.headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        is_readable = False
    if not is_readable:
        raise NotAToken
    return signed


def is_signed_by(signed: SignedToken, key: PublicKey) -> bool:
    """Whether this key has signed the token. A key whose point is not on the curve has signed none."""
    try:
        return jws.validate_compact(signed, _key(key), algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        return False


@lru_cache(MAX_KEYS)
def _key(key: PublicKey) -> ECKey:
    return ECKey.import_key(key.as_jwk())
