"""The admin APIs and probes of services, as a test plays them: one server for all, each service below its own path."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response

from shop_stack.ports import free_port

KEY = "01985f0e-0000-7000-8000-00000000000a"


def letter(number: int, key: str = KEY, state: str = "HELD") -> dict[str, Any]:
    """An open dead letter as the admin API lists it."""
    return {
        "id": number,
        "state": state,
        "reason": "poison" if state == "HELD" else "key-held",
        "error": "ValueError: the amount is no number",
        "type": "inventory.stock-reserved.v1",
        "key": key,
        "created_at": datetime(2026, 3, 2, 9, 0, number % 60, tzinfo=UTC).isoformat(),
    }


@dataclass
class Services:
    """What the services answer."""

    url: str = ""
    letters: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Service → its open dead letters."""
    silent: set[str] = field(default_factory=set)
    """Services that answer rubbish."""
    ended: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """(service, redrive or discard, the body) of each request."""

    def app(self) -> FastAPI:
        """The server."""
        app = FastAPI()

        @app.middleware("http")
        async def rubbish(request: Request, call_next: Any) -> Any:
            service = request.url.path.split("/")[1]
            return Response(b"\xff<html>", 502) if service in self.silent else await call_next(request)

        @app.get("/{service}/readyz")
        def readyz(service: str) -> dict[str, Any]:
            return {"status": "ready", "checks": {"process": "ok", "relay": "away: \x1b[31mOSError"}}

        @app.get("/{service}/version")
        def version(service: str) -> dict[str, str]:
            return {"service": service, "version": "0.3.0", "revision": "abc"}

        @app.get("/{service}/admin/dead-letters")
        def listed(service: str, key: str = "") -> list[dict[str, Any]]:
            return [each for each in self.letters.get(service, []) if key in ("", each["key"])]

        @app.get("/{service}/admin/dead-letters/{number}")
        def shown(service: str, number: int) -> dict[str, Any]:
            for each in self.letters.get(service, []):
                if each["id"] == number:
                    return {**each, "headers": {}, "value": "x"}
            raise HTTPException(404, "There is no such dead letter.")

        @app.post("/{service}/admin/dead-letters/{verb}")
        def end(service: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
            self.ended.append((service, verb, body))
            before = self.letters.get(service, [])
            left = [each for each in before if body["id"] != each["id"] and body["key"] != each["key"]]
            self.letters[service] = left
            return {"ended": len(before) - len(left), "still_open": 0, "error": ""}

        return app


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """Serve an application in a thread while the block runs. Yields its address."""
    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
