"""The issuer's keys: fetched by themselves, kept while the issuer is away, and replaced without a restart."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from chassis.errors import dependency_of
from chassis.web.issuer_keys import RETRY_SECONDS, IssuerKeys, IssuerUnavailable, UnknownKey, usable_keys
from testkit import eventually
from testkit.tokens import key_set, signing_key


class Issuer:
    """An issuer that publishes `documents`, and counts how often it was asked."""

    def __init__(self) -> None:
        self.document: Mapping[str, Any] = key_set()
        self.error: Exception | None = None
        self.asked = 0
        self.now = 1_000.0
        self.keys = IssuerKeys(self.fetch, refresh_seconds=300, valid_seconds=3600, clock=lambda: self.now)

    async def fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.document


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_before_the_issuer_has_answered_there_are_no_keys(issuer: Issuer) -> None:
    issuer.error = ConnectionRefusedError()
    with pytest.raises(IssuerUnavailable) as error:
        issuer.keys.require_usable()
    assert dependency_of(error.value) == "issuer"
    await issuer.keys.refresh()
    assert issuer.keys.status.text == "away: ConnectionRefusedError"
    issuer.error = None
    await issuer.keys.refresh()
    issuer.keys.require_usable()
    assert issuer.keys.status.text == "ok"


async def test_the_first_requests_of_a_process_wait_for_one_fetch_of_the_keys(issuer: Issuer) -> None:
    await asyncio.gather(*(issuer.keys.first_fetch() for _ in range(5)))
    issuer.keys.require_usable()
    await issuer.keys.first_fetch()
    assert issuer.asked == 1


async def test_a_first_fetch_that_failed_lets_no_later_request_wait(issuer: Issuer) -> None:
    issuer.error = ConnectionRefusedError()
    await issuer.keys.first_fetch()
    await issuer.keys.first_fetch()
    assert issuer.asked == 1


async def test_an_unknown_kid_has_the_keys_fetched_again_and_finds_the_new_one(issuer: Issuer) -> None:
    await issuer.keys.refresh()
    issuer.now += RETRY_SECONDS
    issuer.document = key_set(signing_key("next"), signing_key())
    assert (await issuer.keys.key("next")).kid == "next"
    assert (await issuer.keys.key("test-key")).kid == "test-key"
    assert issuer.asked == 2


async def test_unknown_kids_have_the_keys_fetched_once_in_the_interval(issuer: Issuer) -> None:
    await issuer.keys.refresh()
    for number in range(50):
        with pytest.raises(UnknownKey):
            await issuer.keys.key(f"stranger-{number}")
    assert issuer.asked == 2
    issuer.now += RETRY_SECONDS
    strangers = (issuer.keys.key(f"stranger-{number}") for number in range(50))
    answers = await asyncio.gather(*strangers, return_exceptions=True)
    assert {type(answer) for answer in answers} == {UnknownKey}
    assert issuer.asked == 3


async def test_a_key_that_is_new_right_after_a_regular_fetch_is_found_at_once(issuer: Issuer) -> None:
    await issuer.keys.refresh()
    issuer.document = key_set(signing_key("next"), signing_key())
    assert (await issuer.keys.key("next")).kid == "next"


async def test_a_kid_that_is_no_text_is_unknown(issuer: Issuer) -> None:
    await issuer.keys.refresh()
    for kid in (None, 1, ["test-key"]):
        with pytest.raises(UnknownKey):
            await issuer.keys.key(kid)


async def test_the_last_keys_are_used_for_a_bounded_time(issuer: Issuer) -> None:
    await issuer.keys.refresh()
    issuer.error = TimeoutError()
    issuer.now += 3_600
    await issuer.keys.refresh()
    issuer.keys.require_usable()
    assert issuer.keys.status.text == "ok"
    issuer.now += 1
    await issuer.keys.refresh()
    with pytest.raises(IssuerUnavailable):
        issuer.keys.require_usable()
    assert issuer.keys.status.text == "away: TimeoutError"


async def test_the_generation_grows_when_keys_change_and_not_otherwise(issuer: Issuer) -> None:
    await issuer.keys.refresh()
    await issuer.keys.refresh()
    assert issuer.keys.generation == 1
    issuer.document = key_set(signing_key("next"))
    await issuer.keys.refresh()
    assert issuer.keys.generation == 2


async def test_the_task_fetches_the_keys_and_ends_when_it_is_cancelled(issuer: Issuer) -> None:
    task = asyncio.create_task(issuer.keys.run())
    await eventually(lambda: _usable(issuer))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _usable(issuer: Issuer) -> None:
    assert issuer.keys.status.text == "ok"


def test_keys_for_other_purposes_and_damaged_keys_are_left_out() -> None:
    good = signing_key().as_dict(private=False)
    others: list[Any] = [
        RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=False),
        ECKey.generate_key("P-384", {"kid": "curve"}).as_dict(private=False),
        {**good, "kid": "encryption", "use": "enc"},
        {**good, "kid": "algorithm", "alg": "ES384"},
        {**good, "kid": "damaged", "x": "AAAA"},
        {**good, "kid": 7},
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        "garbage",
    ]
    assert list(usable_keys({"keys": [*others, good]})) == ["test-key"]


@pytest.mark.parametrize("document", [{}, {"keys": []}, {"keys": "x"}, {"keys": [{"kid": "a"}]}])
def test_a_key_set_without_a_usable_key_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no key for ES256"):
        usable_keys(document)
