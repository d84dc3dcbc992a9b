"""The client and its secret in an `Authorization: Basic` header."""

import base64
from urllib.parse import unquote_plus


def basic_login(header: str) -> tuple[str, str] | None:
    """Name and secret, form-encoded as RFC 6749, 2.3.1 wants them. None if the header is another one, or garbage."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (unquote_plus(name), unquote_plus(secret)) if colon else None
