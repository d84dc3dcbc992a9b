"""Hostile requests: every operation of an OpenAPI document, with texts and numbers that no client should send."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

HOSTILE_TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufffe",
        "\ud800",
        "e\u0301",
        "%00",
        "..",
        "/",
        "'",
        '"',
        "\\",
    ),
    *(
        "a" * 65,
        "a" * 256,
        "\U0001f600" * 70,
        "0" * 400,
        "1e999",
        "NaN",
        "-1",
        "9223372036854775808",
        "null",
        "EUR",
        "ZZZ",
    ),
)
UNSTORABLE_TEXTS = ("\x00", "a\x00b", "\ud800")
HOSTILE_NUMBERS = (
    0,
    -1,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    10**400,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
)


_HEADER_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
HEADER_VALUES: st.SearchStrategy[bytes] = st.lists(
    st.sampled_from(_HEADER_BYTES) | st.sampled_from(b"\\xuUN{[]\xff"), max_size=12
).map(bytes) | st.sampled_from([b"\xff\\x", b"\xff\\N{", b"\xff\\ud800", b"\xc3\xa9", b"[", b"\xff" * 300])
"""Values of headers with all bytes that an HTTP server takes."""

LISTING_VALUES: Mapping[str, str] = {"limit": "5", "key": "a", "state": "open"}
"""Good values of the parameters of listings."""

many_requests = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Settings of a test that sends many requests to one service."""


def hostile_requests(
    document: Mapping[str, Any], bodies: Mapping[str, Any], values: Mapping[str, str]
) -> st.SearchStrategy[httpx.Request]:
    """Requests for any operation of an OpenAPI document, good but for text and numbers of all kinds in some places.

    `bodies` has a good body for each operation that takes one (`POST /orders`), `values` good values of parameters by
    their names. Raises KeyError for an operation whose body is missing.
    """
    texts = st.text(max_size=20) | st.sampled_from(HOSTILE_TEXTS) | st.sampled_from(UNSTORABLE_TEXTS)
    numbers = st.integers() | st.sampled_from(HOSTILE_NUMBERS)
    leaves: st.SearchStrategy[Any] = st.none() | st.booleans() | numbers | texts
    things: st.SearchStrategy[Any] = (
        leaves | st.lists(leaves, max_size=3) | st.dictionaries(texts, leaves, max_size=3)
    )
    raw_bodies = st.binary(max_size=20) | st.sampled_from([b"[" * 60_000, b'{"a":' * 10_000, b"1" * 60_000])
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for method, path, operation in operations:
        if "requestBody" in operation:
            bodies[f"{method} {path}"]

    def spoiled(draw: st.DrawFn, good: Any) -> Any:
        """`good` with something hostile in one place, or as it is."""
        match good:
            case dict() if draw(st.booleans()):
                name = draw(st.sampled_from([*good]) | texts)
                return good | {name: spoiled(draw, good.get(name))}
            case list() if draw(st.booleans()) and good:
                return [spoiled(draw, good[0]), *good[1:]]
        return draw(st.just(good) | things)

    def parameter(draw: st.DrawFn, name: str) -> str:
        value = draw(texts | st.just(values.get(name, "")) | st.just(values.get(name, "")))
        return quote(value, safe="", errors="surrogatepass")

    @st.composite
    def requests(draw: st.DrawFn) -> httpx.Request:
        method, template, operation = draw(st.sampled_from(operations))
        path = template
        query: list[str] = []
        headers = {}
        for declared in operation.get("parameters", ()):
            name = declared["name"]
            is_given: bool = draw(st.booleans())
            match declared["in"]:
                case "path":
                    path = path.replace(f"{{{name}}}", parameter(draw, name))
                case "query" if is_given:
                    query.append(f"{name}={parameter(draw, name)}")
                case "header" if is_given:
                    headers[name] = draw(
                        st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=300)
                    )
        content: bytes | None = None
        if "requestBody" in operation:
            content = json.dumps(spoiled(draw, bodies[f"{method} {template}"])).encode()
            content = draw(st.just(content) | st.just(content) | raw_bodies)
            headers["Content-Type"] = "application/json"
        raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        raw_headers.append((b"User-Agent", draw(HEADER_VALUES)))
        url = f"http://service{path}?{'&'.join(query)}"
        return httpx.Request(method, url, headers=raw_headers, content=content)

    return requests()


_requests: WeakKeyDictionary[httpx.AsyncClient, st.SearchStrategy[httpx.Request]] = WeakKeyDictionary()
"""The requests for the service of a client. It takes longer to describe them than to send one."""


async def send_hostile_request(
    service: httpx.AsyncClient,
    data: st.DataObject,
    bodies: Mapping[str, Any],
    values: Mapping[str, str],
    *,
    document: str = "/openapi.json",
) -> httpx.Response:
    """Send one hostile request, drawn from `data`, to an operation of the service's own document.

    `bodies` and `values` are those of `hostile_requests`; values of listings need not be given. They and `document`,
    the path of the OpenAPI document, are the same for all requests of a client.
    """
    if service not in _requests:
        operations = (await service.get(document)).json()
        _requests[service] = hostile_requests(operations, bodies, {**LISTING_VALUES, **values})
    return await service.send(data.draw(_requests[service]))


def assert_no_fault_of_the_service(answer: httpx.Response) -> None:
    """Hold an answer to a hostile request: no 5xx, and a refusal is a problem of bounded size."""
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 20_000
