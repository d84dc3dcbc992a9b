"""The APIs that schemathesis gets, and how its report is read. With SHOP_FUZZ_TESTS=1 it asks a server with a hole."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shop_lab.fuzz import apis
from shop_lab.fuzz.apis import Api, Failure, apis_of, ask, read_answers
from shop_lab.fuzz.requests import chosen
from shop_stack.errors import UserError
from shop_stack.paths import repository
from shop_stack.ports import SERVICES

CONTRACTS = repository() / "contracts"


def test_each_operation_of_each_document_is_asked() -> None:
    found = apis_of(CONTRACTS)
    names = [api.name for api in found]
    assert {f"{service}/admin" for service in SERVICES} < set(names)
    assert {"orders/customer", "inventory/clerk", "inventory/operator"} < set(names)
    assert len(names) == len(set(names))
    assert sum(api.operations for api in found if not api.is_management) == 25
    assert {api.operations for api in found if api.is_management} == {8}


def test_an_api_of_no_name_is_refused_with_the_names() -> None:
    with pytest.raises(UserError, match="orders/customer"):
        chosen(apis_of(CONTRACTS), ["orders/nobody"])


def test_requests_may_name_the_orders_that_were_placed() -> None:
    (orders,) = (api for api in apis_of(CONTRACTS, ["01980000"]) if api.name == "orders/customer")
    (parameter,) = orders.document["paths"]["/orders/{order_id}"]["get"]["parameters"]
    assert parameter["schema"]["anyOf"][0] == {"enum": ["01980000"]}


def interaction(status: int | None, body: str = "") -> dict[str, Any]:
    request = {"method": "POST", "uri": "http://127.0.0.1:1/orders?a=1"}
    if body:
        request |= {"body": {"$base64": base64.b64encode(body.encode()).decode()}}  # type: ignore[dict-item]
    return {"request": request, "response": None if status is None else {"status_code": status}}


def test_each_answer_in_the_report_is_counted(tmp_path: Path) -> None:
    interactions = {"a": interaction(200), "b": interaction(503, "{}"), "c": interaction(None)}
    cases = {id_: {"value": {"method": "POST", "path": "/orders"}} for id_ in interactions}
    lines = [
        {"Initialize": {}},
        {"ScenarioFinished": {"recorder": {"interactions": interactions, "cases": cases}}},
        {"ScenarioFinished": {"recorder": None}},
    ]
    report = tmp_path / "report.ndjson"
    report.write_text("\n".join(map(json.dumps, lines)))
    answers = read_answers("orders/customer", report)
    assert answers.statuses == Counter({200: 1, 503: 1, 0: 1})
    assert answers.carried_out == Counter({apis.PLACE: 1})
    assert [failure.status for failure in answers.failures] == [503, 0]
    assert answers.failures[0] == Failure("orders/customer", "POST", "/orders?a=1", "{}", 503)


def test_without_schemathesis_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shop_lab.fuzz.apis.paths.shop_folder", lambda: tmp_path)
    with pytest.raises(UserError, match="make fuzz-environment"):
        apis.program()


class WithHole(BaseHTTPRequestHandler):
    """Answers 500 to a quantity of 0, and 200 to all else."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        """Answer any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            is_hole = json.loads(body)["quantity"] == 0
        except (ValueError, TypeError, KeyError):
            is_hole = False
        self.send_response(500 if is_hole else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), WithHole) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


QUANTITY = {"type": "integer", "minimum": 0, "maximum": 3}
BODY = {"type": "object", "required": ["quantity"], "properties": {"quantity": QUANTITY}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "a shop with a hole", "version": "1"},
    "paths": {
        "/orders": {
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
                "responses": {"200": {"description": "taken"}},
            }
        }
    },
}


@pytest.mark.skipif(not os.environ.get("SHOP_FUZZ_TESTS"), reason="needs schemathesis: `make fuzz` runs it")
def test_an_endpoint_that_answers_500_is_found(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Api, "url", lambda self, target: server)
    monkeypatch.setattr(Api, "token", lambda self, target: "a.b.c")
    target: Any = None
    answers = asyncio.run(ask(Api("orders", "customer", DOCUMENT), target, 1, 20, tmp_path / "run"))
    assert answers.statuses[200]
    assert {one.status for one in answers.failures} == {500}
    assert {one.path for one in answers.failures if one.method == "POST"} == {"/orders"}
    assert any(json.loads(one.body) == {"quantity": 0} for one in answers.failures)
