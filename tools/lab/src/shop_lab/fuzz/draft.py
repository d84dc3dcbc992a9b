"""A record before it is sent. Steps return copies in which a part is changed, also to an invalid one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shop_lab.experiments.foreign_inputs.batches import Codec, Header, Record, batch_of
from shop_lab.experiments.foreign_inputs.events import EventTopic

ToBatch = Callable[[Sequence[Record]], bytes]


@dataclass(frozen=True)
class Draft:
    """A record, with what its steps need to know of it."""

    topic: EventTopic
    type: str
    schema: Mapping[str, Any]
    """The JSON Schema of the type's data."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    codec: Codec = Codec.NONE
    copies: int = 1
    to_batch: ToBatch | None = None
    """Makes the batch instead of `batch_of`; None if the batch is not damaged."""

    @property
    def data(self) -> Any:
        """The decoded data. Only steps that come before all changes of bytes may read it."""
        return json.loads(self.value or b"null")

    def with_data(self, data: Any) -> Draft:
        """A copy with other data. Lone surrogates become escapes, and NaN stays NaN."""
        return replace(self, value=json.dumps(data).encode())

    def header(self, name: bytes) -> bytes:
        """The value of a header, or nothing."""
        return dict(self.headers).get(name) or b""

    def with_header(self, name: bytes, value: bytes | None) -> Draft:
        """A copy in which this header has another value. It is added if it is missing."""
        others = tuple(header for header in self.headers if header[0] != name)
        return replace(self, headers=(*others, (name, value)))

    @property
    def records(self) -> list[Record]:
        """The records of its batch: itself, as many times as it has copies."""
        return [Record(self.key, self.value, self.headers)] * self.copies

    @property
    def batch(self) -> bytes:
        """The bytes that are sent."""
        return self.to_batch(self.records) if self.to_batch else batch_of(self.records, self.codec)


Change = Callable[[Draft, random.Random], Draft]
"""Makes one change."""
