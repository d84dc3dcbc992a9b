"""Outcomes that are kept: .shop/verified/<hash>.json. The hash is that of everything that was compared."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shop_stack.paths import make_private


def key_of(parts: Iterable[str | bytes]) -> str:
    """The name of an outcome. `parts` is everything that it depends on."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(b"%d\0" % len(content))
        digest.update(content)
    return digest.hexdigest()


def load(root: Path, key: str) -> Any:
    """The outcome, as JSON was read. None if there is none, or if its file is damaged."""
    try:
        return json.loads(_file(root, key).read_text())
    except (OSError, ValueError):
        return None


def keep(root: Path, key: str, outcome: Any) -> None:
    """Keep an outcome. The file is written completely or not at all."""
    make_private(root / ".shop")
    file = _file(root, key)
    file.parent.mkdir(exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(outcome, indent=1))
    draft.replace(file)


def _file(root: Path, key: str) -> Path:
    return root / ".shop" / "verified" / f"{key}.json"
