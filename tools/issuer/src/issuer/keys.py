"""The signing keys: random, in one file that only the owner may read, and replaced one after the other.

A new key signs at once. The keys before it are published until the last token that they signed has expired.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

ALGORITHM = "ES256"
CURVE = "P-256"
LEEWAY_SECONDS = 300
"""How much longer than its last token a key is published."""


class KeysDamaged(ValueError):
    """The file of the keys cannot be read."""


class SigningKeys:
    """The keys in a file, newest first. The first one signs."""

    def __init__(
        self,
        file: Path,
        token_seconds: int,
        rotation_seconds: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Reads the file, or makes it with a new key. `now` gives the seconds since 1970. Raises KeysDamaged."""
        self._file = file
        self._token_seconds = token_seconds
        self._rotation_seconds = rotation_seconds
        self._now = now
        self._keys: list[tuple[ECKey, float]] = []
        if file.exists():
            self._keys = _read(file)
        else:
            self.rotate()

    def rotate(self) -> str:
        """Make a new key, which signs from now on. Returns its `kid`."""
        made = ECKey.generate_key(CURVE, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        self._keys.insert(0, (made, self._now()))
        self._drop_expired()
        self._write()
        return str(made.kid)

    def sign(self, claims: dict[str, Any]) -> str:
        """A signed token with these claims."""
        if self._now() - self._keys[0][1] > self._rotation_seconds:
            self.rotate()
        key = self._keys[0][0]
        header = {"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

    def verify(self, text: str) -> dict[str, Any]:
        """The claims of a token that one of the keys has signed. Its times are not checked.

        Raises JoseError or ValueError.
        """
        keys = KeySet([key for key, _ in self._keys])
        return dict(jwt.decode(text, keys, algorithms=[ALGORITHM]).claims)

    def public(self) -> dict[str, Any]:
        """The public keys as a JWK set."""
        return {"keys": [key.as_dict(private=False) for key, _ in self._keys]}

    def _drop_expired(self) -> None:
        """Drop the keys whose last token has expired. A key signed until the next one was made."""
        kept = self._token_seconds + LEEWAY_SECONDS
        newer = [made_at for _, made_at in self._keys]
        self._keys = [
            entry
            for number, entry in enumerate(self._keys)
            if number == 0 or self._now() - newer[number - 1] <= kept
        ]

    def _write(self) -> None:
        """Write the file so that no other user can ever read it, and that no reader sees an incomplete file."""
        content = [{"key": key.as_dict(private=True), "made_at": made_at} for key, made_at in self._keys]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        written = self._file.with_suffix(".new")
        written.unlink(missing_ok=True)
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(content, stream)
        written.replace(self._file)


def _read(file: Path) -> list[tuple[ECKey, float]]:
    try:
        content = json.loads(file.read_text())
        keys = [(ECKey.import_key(entry["key"]), float(entry["made_at"])) for entry in content]
        if not keys or not all(key.is_private for key, _ in keys):
            raise ValueError("no private key")
        return keys
    except (OSError, ValueError, KeyError, TypeError, JoseError):
        raise KeysDamaged(
            f"{file} cannot be read: put it back as it was, or delete it; tokens that are in use become invalid then."
        ) from None
