"""The server that Pact's verifier asks: the provider's own app, and beside it its messages and its states."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
from pact import Verifier
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from testkit.expectations.sent_messages import SentMessage
from testkit.http import listening

HOST = "127.0.0.1"
MESSAGES = "/_pact/message"
STATES = "/_pact/state"
TIMEOUT_MS = 30_000

State = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Brings a provider into a state. It gets the parameters that the consumer has given."""
Authorize = Callable[[str], Awaitable[str]]
"""The value of the header `Authorization` in the place of the one in a file."""


async def keep_authorization(given: str) -> str:
    """Leave the header as it is."""
    return given


class Provider:
    """An ASGI app around a provider's app. `messages` are by the type of their event."""

    def __init__(
        self,
        app: ASGIApp,
        states: Mapping[str, State] | None = None,
        messages: Mapping[str, SentMessage] | None = None,
        authorize: Authorize = keep_authorization,
    ) -> None:
        self.states = states or {}
        self.errors: list[str] = []
        """The errors of states and messages, one sentence each."""
        self._app = app
        self._messages = messages or {}
        self._authorize = authorize

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == MESSAGES:
            answer = await self._message(Request(scope, receive))
            await answer(scope, receive, send)
        elif scope["path"] == STATES:
            answer = await self._enter_state(Request(scope, receive))
            await answer(scope, receive, send)
        else:
            await self._app(await self._authorized(scope), receive, send)

    async def _message(self, request: Request) -> Response:
        wanted = (await request.json())["description"]
        message = self._messages.get(wanted)
        if message is None:
            return self._failed(f"the provider publishes no event {wanted}")
        metadata = base64.b64encode(json.dumps(message.metadata).encode()).decode()
        return Response(
            message.value, headers={"Pact-Message-Metadata": metadata}, media_type="application/json"
        )

    async def _enter_state(self, request: Request) -> Response:
        asked = await request.json()
        name = asked.get("state")
        if name:
            try:
                await self.states[name](asked.get("params") or {})
            except Exception as error:
                return self._failed(f"the provider cannot be brought into the state {name!r}: {error!r}")
        return JSONResponse({})

    def _failed(self, why: str) -> Response:
        # The verifier repeats a request that is answered with 5xx, with growing pauses.
        self.errors.append(why)
        return JSONResponse({"error": why}, 400)

    async def _authorized(self, scope: Scope) -> Scope:
        headers = [
            (name, (await self._authorize(value.decode())).encode() if name == b"authorization" else value)
            for name, value in scope["headers"]
        ]
        return {**scope, "headers": headers}


async def verify(name: str, provider: Provider, file: Path) -> Mapping[str, Any]:
    """Have Pact's verifier compare a provider with a file. Returns the verifier's result as JSON."""
    config = uvicorn.Config(
        provider, host=HOST, port=0, lifespan="off", log_config=None, access_log=False, loop="asyncio"
    )
    server = uvicorn.Server(config)
    port = await listening(server)
    try:
        return await asyncio.to_thread(_verify, name, port, file)
    finally:
        await server.shutdown()


def _verify(name: str, port: int, file: Path) -> Mapping[str, Any]:
    verifier = Verifier(name, host=HOST)
    verifier.add_transport(url=f"http://{HOST}:{port}")
    verifier.add_transport(protocol="message", port=port, path=MESSAGES, scheme="http")
    verifier.state_handler(f"http://{HOST}:{port}{STATES}", body=True)
    verifier.set_request_timeout(TIMEOUT_MS)
    verifier.set_coloured_output(enabled=False)
    verifier.add_source(file)
    with mock.patch.dict(os.environ, {"NO_PROXY": HOST, "no_proxy": HOST}):
        try:
            verifier.verify()
        except RuntimeError:
            pass  # The result says more.
    found: Mapping[str, Any] = verifier.results
    return found
