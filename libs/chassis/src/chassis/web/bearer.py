"""The bearer token of a request."""

from collections.abc import Iterable

from chassis.web.token_problems import MISSING, TOKEN_MALFORMED, TokenRefused

CURE = "Send one header `Authorization: Bearer TOKEN`. `shop token` prints a token."


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token in the `Authorization` header. `headers` are those of an ASGI scope.

    Raises TokenRefused 401: `token-missing`, or `token-malformed` for two headers, another scheme, or no ASCII text.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise TokenRefused(MISSING, CURE)
    if len(values) > 1:
        raise TokenRefused(TOKEN_MALFORMED, f"There are {len(values)} Authorization headers. {CURE}")
    scheme, _, token = values[0].partition(b" ")
    token = token.strip(b" ")
    if scheme.lower() != b"bearer" or not token or not token.isascii():
        raise TokenRefused(TOKEN_MALFORMED, CURE)
    return token.decode("ascii")
