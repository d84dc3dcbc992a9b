"""Gets the issuer's keys by HTTP: first its OpenID Connect discovery document, then the JWK set that it names."""

import asyncio
import http.client
import json
import ssl
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urlsplit

from chassis.web.daemon_thread import in_daemon_thread
from chassis.web.issuer_keys import FetchKeys

DISCOVERY = "/.well-known/openid-configuration"
FETCH_SECONDS = 3.0
"""Deadline of one document."""
MAX_BYTES = 256 * 1024


class WrongDocument(ValueError):
    """The issuer's answer is not what OpenID Connect says."""


class _NoRedirects(request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def fetch_keys_of(issuer: str, cafile: Path | None = None) -> FetchKeys:
    """A function that gets the JWK set of `issuer`. It raises OSError, TimeoutError or ValueError.

    `cafile` has the CA certificate of the issuer's server. Without it the CAs of the system are used.
    """
    get = partial(_get, _opener(issuer, cafile))

    def get_both() -> Mapping[str, Any]:
        discovery = get(issuer.rstrip("/") + DISCOVERY)
        if discovery.get("issuer") != issuer:
            raise WrongDocument(f"the discovery document is not of {issuer}")
        return get(_keys_url(discovery.get("jwks_uri"), issuer))

    async def fetch() -> Mapping[str, Any]:
        async with asyncio.timeout(3 * FETCH_SECONDS):  # the lookup of a name has no deadline of its own
            return await in_daemon_thread(get_both)

    return fetch


def _opener(issuer: str, cafile: Path | None) -> request.OpenerDirector:
    # The issuer is asked directly. A proxy of the environment is often one for the Internet alone.
    handlers: list[request.BaseHandler] = [request.ProxyHandler({}), _NoRedirects()]
    if urlsplit(issuer).scheme == "https":
        context = ssl.create_default_context(cafile=cafile)
        handlers.append(request.HTTPSHandler(context=context))
    return request.build_opener(*handlers)


def _keys_url(url: object, issuer: str) -> str:
    """The address of the keys. It has the scheme of the issuer, so that it names no file of this machine."""
    if not isinstance(url, str) or urlsplit(url).scheme != urlsplit(issuer).scheme:
        raise WrongDocument("jwks_uri has another scheme than the issuer")
    return url


def _get(opener: request.OpenerDirector, url: str) -> Mapping[str, Any]:
    """The JSON object at `url`. It runs in a thread, and ends FETCH_SECONDS after its start or a little later."""
    deadline = time.monotonic() + FETCH_SECONDS
    parts: list[bytes] = []
    bytes_left = MAX_BYTES
    try:
        with opener.open(url, timeout=FETCH_SECONDS) as answer:
            while part := answer.read1(bytes_left + 1):
                parts.append(part)
                bytes_left -= len(part)
                if bytes_left < 0:
                    raise WrongDocument(f"{url} is larger than {MAX_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{url} was not there after {FETCH_SECONDS:g} s")
        document = json.loads(b"".join(parts))
    except HTTPError as error:
        error.close()  # it is the answer, with its connection
        raise
    except (http.client.HTTPException, RecursionError) as error:
        raise WrongDocument(f"{url} is no JSON: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise WrongDocument(f"{url} is no JSON object")
    return document
