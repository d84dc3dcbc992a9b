"""Links to a store of traces: only where one is named, and only with what is a trace id."""

import pytest

from shop_observe.trace_links import MOST_TRACES, VARIABLE, link_to, store, trace_id_of
from shop_stack.errors import UserError

ONE, TWO = "a" * 32, "b" * 32


def test_without_a_store_there_is_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert link_to([ONE]) == ""


@pytest.mark.parametrize(
    ("address", "ids", "link"),
    [
        ("http://localhost:16686", [ONE], f"http://localhost:16686/trace/{ONE}"),
        ("http://localhost:16686/", [ONE, ONE], f"http://localhost:16686/trace/{ONE}"),
        ("http://localhost:16686", [ONE, TWO], f"http://localhost:16686/search?traceID={ONE}&traceID={TWO}"),
        ("https://traces.example/t/{trace_id}?a=1", [ONE, TWO], f"https://traces.example/t/{ONE}?a=1"),
        ("http://localhost:16686", [], ""),
        ("http://localhost:16686", ["", "javascript:alert(1)", "../x"], ""),
    ],
)
def test_a_store_shows_one_trace_or_several(
    monkeypatch: pytest.MonkeyPatch, address: str, ids: list[str], link: str
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    assert link_to(ids) == link


def test_an_address_does_not_grow_with_the_number_of_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://localhost:16686")
    assert link_to(f"{number:032x}" for number in range(1_000)).count("traceID=") == MOST_TRACES


def test_what_is_no_address_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "javascript:alert(1)")
    with pytest.raises(UserError, match="set it to the address of Jaeger's page"):
        store()


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{ONE}-{'c' * 16}-01", ONE),
        (f"00-{ONE}-{'c' * 16}-00", ""),
        (f"00-{ONE}-{'c' * 16}", ""),
        ("", ""),
        (f"00-{ONE}-{'c' * 16}-01\n<script>", ""),
    ],
)
def test_only_a_sampled_traceparent_names_a_trace(traceparent: str, trace_id: str) -> None:
    assert trace_id_of(traceparent) == trace_id
