"""What an admin API, or what stands on the way to it, answers otherwise than expected is one sentence."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from shop_stack import admin
from shop_stack.errors import UserError
from shop_stack.target import Target

TARGET = Target("test", {}, {"orders": "http://127.0.0.1:1"}, "", "", {}, Path(), Path(), Path())
# Of the API server of a cluster, while a pod is away.
STATUS = {"kind": "Status", "status": "Failure", "message": "no endpoints available", "code": 503}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            httpx.Response(409, json={"title": "Conflict", "detail": "it is ended"}),
            "orders refuses: it is ended",
        ),
        (httpx.Response(404, json={"title": "Not Found"}), "orders refuses: Not Found"),
        (httpx.Response(503, json=STATUS), "orders refuses: no endpoints available"),
        (httpx.Response(500, json=[]), "orders refuses: 500"),
        (httpx.Response(502, text="<html>"), "orders answers 502, and not as its admin API does"),
        (httpx.Response(200, text=""), "orders answers 200, and not as its admin API does"),
    ],
)
def test_a_refusal_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, sentence: str
) -> None:
    monkeypatch.setattr(httpx, "request", lambda *_, **__: answer)
    with pytest.raises(UserError) as refused:
        admin.ask(TARGET, "orders", "GET", "/dead-letters")
    assert str(refused.value).startswith(sentence)


def test_a_key_that_is_no_text_is_told() -> None:
    with pytest.raises(UserError, match="no text in UTF-8"):
        admin.ask(TARGET, "orders", "GET", "/dead-letters", params={"key": "\udcff"})
