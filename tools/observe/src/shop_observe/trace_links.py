"""The address at which a store of traces, such as Jaeger, shows an order's trace. SHOP_TRACE_URL names the store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from shop_stack.errors import UserError

VARIABLE = "SHOP_TRACE_URL"
PLACE = "{trace_id}"
TRACE_ID = re.compile(r"[0-9a-f]{32}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
SAMPLED = 1
MOST_TRACES = 20
"""Traces in one address: browsers and servers limit its length."""


def store() -> str:
    """The store's address, or an empty text without one. Raises UserError if it is no HTTP address."""
    given = os.environ.get(VARIABLE, "").strip()
    if given and not given.startswith(("http://", "https://")):
        raise UserError(
            f"{VARIABLE} is {given!r}: set it to the address of Jaeger's page, such as http://localhost:16686, "
            f"or to an address with {PLACE} in it."
        )
    return given


def link_to(trace_ids: Iterable[str]) -> str:
    """The address of the page with these traces. Empty without a store or a trace. Raises UserError.

    The store is a Jaeger, whose page can show several traces. An address with `{trace_id}` in it is that of another
    store, and gets the first one. What is no trace id is left out.
    """
    address = store()
    ids = [each for each in dict.fromkeys(trace_ids) if TRACE_ID.fullmatch(each)][:MOST_TRACES]
    if not address or not ids:
        return ""
    if PLACE in address:
        return address.replace(PLACE, ids[0])
    jaeger = address.rstrip("/")
    if len(ids) == 1:
        return f"{jaeger}/trace/{ids[0]}"
    return f"{jaeger}/search?" + "&".join(f"traceID={each}" for each in ids)


def trace_id_of(traceparent: str) -> str:
    """The trace that a W3C traceparent names, or an empty text if there is none or it was not sampled."""
    found = TRACEPARENT.fullmatch(traceparent)
    return found[1] if found and int(found[2], 16) & SAMPLED else ""
