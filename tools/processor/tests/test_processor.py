"""The processor's HTTP API on a real ledger file."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.cards import flaky_does_it_first
from processor.ledger import Ledger
from processor.main import create_app
from processor.settings import SettingMissing, Settings, from_environment

API_KEY = "merchants-key"
ANYTHING = st.text() | st.sampled_from(["\x00", "\ud800", "tok_ok", "EUR"]) | st.integers() | st.none()


@asynccontextmanager
async def client_of(ledger: Path, slow_seconds: float = 0.0) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings("127.0.0.1", 0, str(ledger), slow_seconds, API_KEY))
    transport = httpx.ASGITransport(app)
    login = {"Authorization": f"Bearer {API_KEY}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://p", headers=login) as client,
    ):
        yield client


@pytest.fixture
async def processor(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(tmp_path / "ledger.sqlite3") as client:
        yield client


async def charge(
    client: httpx.AsyncClient, key: str, token: str = "tok_ok", amount: int = 1250
) -> httpx.Response:
    body = {"token": token, "amount_minor": amount, "currency": "EUR", "reference": "order-1"}
    return await client.post(
        "/charges", json=body, headers={"Idempotency-Key": key, "traceparent": "00-1-2-01"}
    )


async def refund(client: httpx.AsyncClient, charge_id: str, key: str, amount: int = 1250) -> httpx.Response:
    body = {"amount_minor": amount, "currency": "EUR"}
    return await client.post(f"/charges/{charge_id}/refunds", json=body, headers={"Idempotency-Key": key})


async def entries(client: httpx.AsyncClient) -> list[tuple[str, int]]:
    found: list[dict[str, Any]] = (await client.get("/ledger")).json()["entries"]
    return [(entry["kind"], entry["amount_minor"]) for entry in found]


def key_that(does_it_first: bool) -> str:
    return next(f"k{n}" for n in range(100) if flaky_does_it_first(f"k{n}") is does_it_first)


async def test_a_charge_is_entered_once_however_often_it_is_asked_for(processor: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(charge(processor, "k1") for _ in range(20)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert answers[0].json()["status"] == "succeeded"
    assert await entries(processor) == [("charge", 1250)]


async def test_the_answer_names_the_charge_that_was_made(processor: httpx.AsyncClient) -> None:
    body = (await charge(processor, "k1", amount=990)).json()
    assert (body["amount_minor"], body["currency"], body["reference"]) == (990, "EUR", "order-1")


async def test_the_answers_outlive_the_process(tmp_path: Path) -> None:
    async with client_of(tmp_path / "ledger") as first:
        before = await charge(first, "k1")
    async with client_of(tmp_path / "ledger") as second:
        assert (await charge(second, "k1")).json() == before.json()
        assert await entries(second) == [("charge", 1250)]


async def test_the_same_key_with_another_request_is_a_conflict(processor: httpx.AsyncClient) -> None:
    await charge(processor, "k1")
    answer = await charge(processor, "k1", amount=1)
    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:shopfloor:problem:idempotency-key-reused",
    )
    assert await entries(processor) == [("charge", 1250)]


@pytest.mark.parametrize(
    ("token", "reason"), [("tok_declined", "declined"), ("tok_nonsense", "unknown_token")]
)
async def test_a_declined_card_leaves_no_entry(processor: httpx.AsyncClient, token: str, reason: str) -> None:
    for _ in range(2):
        answer = await charge(processor, "k1", token)
        assert (answer.status_code, answer.json()) == (402, {"status": "declined", "reason": reason})
    assert await entries(processor) == []


async def test_a_flaky_card_may_refuse_twice_before_anything_is_done(processor: httpx.AsyncClient) -> None:
    key = key_that(does_it_first=False)
    assert [(await charge(processor, key, "tok_flaky")).status_code for _ in range(2)] == [503, 503]
    assert await entries(processor) == []
    assert (await charge(processor, key, "tok_flaky")).status_code == 201
    assert await entries(processor) == [("charge", 1250)]


async def test_a_flaky_card_may_charge_and_lose_the_answer_twice(processor: httpx.AsyncClient) -> None:
    key = key_that(does_it_first=True)
    assert [(await charge(processor, key, "tok_flaky")).status_code for _ in range(2)] == [500, 500]
    assert await entries(processor) == [("charge", 1250)]
    assert (await charge(processor, key, "tok_flaky")).status_code == 201
    assert await entries(processor) == [("charge", 1250)]


async def test_a_slow_card_is_charged_before_its_answer_comes(tmp_path: Path) -> None:
    async with client_of(tmp_path / "ledger", slow_seconds=60) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(charge(client, "k1", "tok_slow"), 0.2)
        assert await entries(client) == [("charge", 1250)]
        assert (await charge(client, "k1", "tok_slow")).status_code == 201


async def test_a_charge_is_refunded_once(processor: httpx.AsyncClient) -> None:
    charge_id = (await charge(processor, "k1")).json()["charge_id"]
    answers = [await refund(processor, charge_id, "r1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    second = await refund(processor, charge_id, "r2")
    assert (second.status_code, second.json()["title"]) == (409, "already-refunded")
    assert await entries(processor) == [("charge", 1250), ("refund", 1250)]


async def test_no_more_is_refunded_than_was_charged(processor: httpx.AsyncClient) -> None:
    charge_id = (await charge(processor, "k1")).json()["charge_id"]
    answer = await refund(processor, charge_id, "r1", amount=1251)
    assert (answer.status_code, answer.json()["title"]) == (409, "refund-exceeds-charge")


async def test_a_refund_of_an_unknown_charge_is_not_found(processor: httpx.AsyncClient) -> None:
    answer = await refund(processor, "ch_none", "r1")
    assert (answer.status_code, answer.json()["title"]) == (404, "unknown-charge")


async def test_the_ledger_is_read_on_from_an_entry_and_totals_everything(
    processor: httpx.AsyncClient,
) -> None:
    charge_id = (await charge(processor, "k1")).json()["charge_id"]
    await charge(processor, "k2", amount=50)
    await refund(processor, charge_id, "r1")
    page = (await processor.get("/ledger", params={"after": 1, "limit": 1})).json()
    assert [entry["entry_id"] for entry in page["entries"]] == [2]
    assert page["entries"][0]["reference"] == "order-1"
    assert page["totals"] == {
        "EUR": {"charges": 2, "charged_minor": 1300, "refunds": 1, "refunded_minor": 1250},
    }


async def test_totals_are_exact_above_what_sqlite_can_sum(processor: httpx.AsyncClient) -> None:
    largest = 2**63 - 1
    for number in range(3):
        answer = await charge(processor, f"k{number}", amount=largest - number)
        charge_id = answer.json()["charge_id"]
        assert (await refund(processor, charge_id, f"r{number}", largest - number)).status_code == 201
    sum_minor = 3 * largest - 3
    assert (await processor.get("/ledger")).json()["totals"] == {
        "EUR": {
            "charges": 3,
            "charged_minor": sum_minor,
            "refunds": 3,
            "refunded_minor": sum_minor,
        }
    }


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.fixed_dictionaries(
        {
            "token": ANYTHING,
            "amount_minor": ANYTHING,
            "currency": st.just("EUR") | ANYTHING,
            "reference": ANYTHING,
        }
    ),
    query=st.dictionaries(st.sampled_from(["after", "limit"]), st.integers().map(str) | st.text()),
)
async def test_no_text_and_no_number_is_a_fault_of_the_processor(
    processor: httpx.AsyncClient, body: dict[str, Any], query: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    answers = [
        await processor.post("/charges", content=json.dumps(body), headers=headers),
        await processor.get("/ledger", params=query),
    ]
    assert all(answer.status_code < 500 for answer in answers)


async def test_a_bad_request_is_told_why_without_its_card_token(processor: httpx.AsyncClient) -> None:
    answer = await processor.post("/charges", json={"token": "tok_secret"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert "amount_minor" in answer.text
    assert "tok_secret" not in answer.text


async def test_a_charge_without_an_idempotency_key_is_refused(processor: httpx.AsyncClient) -> None:
    body = {"token": "tok_ok", "amount_minor": 1, "currency": "EUR", "reference": "r"}
    answer = await processor.post("/charges", json=body)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.text


async def test_the_card_token_is_nowhere_in_the_ledger_file(tmp_path: Path) -> None:
    async with client_of(tmp_path / "ledger") as client:
        await charge(client, "k1", "tok_very_secret")
    assert all(b"tok_very_secret" not in file.read_bytes() for file in tmp_path.iterdir())


async def test_one_writer_that_fails_does_not_undo_its_neighbours(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))

    def good(db: sqlite3.Connection) -> int:
        return db.execute("INSERT INTO requests (key, fingerprint, attempts) VALUES ('a', 'f', 1)").rowcount

    results = await asyncio.gather(ledger.write(good), ledger.write(good), return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], sqlite3.IntegrityError)
    assert await ledger.read(lambda db: db.execute("SELECT count(*) FROM requests").fetchone()) == (1,)
    ledger.close()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_it_says_that_it_lives_and_is_ready(processor: httpx.AsyncClient, path: str) -> None:
    assert (await processor.get(path)).status_code == 200


@pytest.mark.parametrize("kind", ["tok_ok", "tok_slow", "tok_declined"])
async def test_a_one_time_token_pays_for_one_charge(processor: httpx.AsyncClient, kind: str) -> None:
    token = f"{kind}_4f1d"
    first = await charge(processor, "k1", token)
    assert first.status_code == (402 if kind == "tok_declined" else 201)
    for _ in range(2):
        second = await charge(processor, "k2", token)
        assert (second.status_code, second.json()["reason"]) == (402, "token_already_used")
    assert (await charge(processor, "k1", token)).json() == first.json()
    assert (await charge(processor, "k3", f"{kind}_another")).json().get("reason") != "token_already_used"


async def test_two_charges_that_race_for_a_one_time_token_cannot_both_have_it(
    processor: httpx.AsyncClient,
) -> None:
    answers = await asyncio.gather(*(charge(processor, f"k{n}", "tok_ok_4f1d") for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [402] * 9
    assert await entries(processor) == [("charge", 1250)]


@pytest.mark.parametrize("does_it_first", [True, False])
async def test_a_flaky_one_time_token_is_repeated_until_it_has_paid(
    processor: httpx.AsyncClient, does_it_first: bool
) -> None:
    key = key_that(does_it_first)
    statuses = [(await charge(processor, key, "tok_flaky_4f1d")).status_code for _ in range(3)]
    assert statuses == [500 if does_it_first else 503] * 2 + [201]


async def test_a_test_token_may_be_used_again(processor: httpx.AsyncClient) -> None:
    assert [(await charge(processor, f"k{n}", "tok_ok")).status_code for n in range(3)] == [201] * 3


async def test_a_token_that_only_begins_like_a_kind_is_unknown(processor: httpx.AsyncClient) -> None:
    answer = await charge(processor, "k1", "tok_okay")
    assert answer.json()["reason"] == "unknown_token"


async def test_a_used_token_is_nowhere_in_the_ledger_file(tmp_path: Path) -> None:
    async with client_of(tmp_path / "ledger") as client:
        assert (await charge(client, "k1", "tok_ok_very_secret")).status_code == 201
    assert all(b"very_secret" not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    "login", ["", "Bearer ", "Bearer another-key", "Basic merchants-key", "merchants-key"]
)
async def test_without_the_api_key_no_money_moves(processor: httpx.AsyncClient, login: str) -> None:
    charge_id = (await charge(processor, "k1")).json()["charge_id"]
    processor.headers["Authorization"] = login
    for refused in (await charge(processor, "k2"), await refund(processor, charge_id, "r1")):
        assert (refused.status_code, refused.json()["title"]) == (401, "unauthorized")
        assert refused.headers["www-authenticate"] == "Bearer"
    assert await entries(processor) == [("charge", 1250)]


async def test_the_answer_to_a_wrong_key_comes_before_that_to_a_wrong_body(
    processor: httpx.AsyncClient,
) -> None:
    processor.headers["Authorization"] = "Bearer another-key"
    assert (await processor.post("/charges", json={})).status_code == 401


def test_without_an_api_key_the_processor_does_not_start() -> None:
    with pytest.raises(SettingMissing, match="PROCESSOR_API_KEY"):
        from_environment({})


def test_the_api_key_is_not_shown() -> None:
    settings = from_environment({"PROCESSOR_API_KEY": API_KEY, "HTTP_PORT": "5"})
    assert (settings.port, settings.api_key) == (5, API_KEY)
    assert API_KEY not in repr(settings)
