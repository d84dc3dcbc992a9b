"""The four functions that every injector has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from shop_chaos.system import System


class Injector:
    """One way to inject a fault. A subclass is a dataclass whose fields are the arguments of the fault."""

    late_seconds: ClassVar[float] = 0.0
    """How long effects may come after the fault was undone. 0: all effects are seen while it lasts."""

    def __init__(self, **arguments: Any) -> None:
        raise NotImplementedError("a subclass is a dataclass")

    async def before(self, on: System) -> dict[str, Any]:
        """Measure what `seen` compares with. The result is kept as JSON."""
        return {}

    async def inject(self, on: System) -> None:
        """Inject the fault. It lasts when this returns."""
        raise NotImplementedError

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        """Counts that show that the fault had an effect. It may be called while the fault lasts and after it."""
        raise NotImplementedError

    async def heal(self, on: System) -> None:
        """Undo the fault. It may be called twice, also if the injection did not begin."""
        raise NotImplementedError
