"""The mock server of Pact: it answers the real client of a consumer as the consumer expects its provider to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pact import Pact

HOST = "127.0.0.1"


@contextmanager
def answering(pact: Pact) -> Iterator[str]:
    """The URL of a server that answers each request that the pact has an interaction for.

    Raises pact's MismatchesError at the end if a request was another one, or if one of the interactions was not used.
    """
    with pact.serve(HOST, raises=True, verbose=False) as server:
        yield f"http://{HOST}:{server.port}"
