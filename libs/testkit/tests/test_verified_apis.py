"""An API that breaks what a client has written down is told the client, the field and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pact.error import MismatchesError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from testkit.expectations import (
    Pact,
    Provider,
    State,
    WrongExpectation,
    answering,
    assert_app_as_expected,
    files,
    integer,
    matching,
    text,
)


def pact_of(state: str = "there is a parcel") -> Pact:
    """A client that reads a parcel with its weight."""
    pact = Pact("client", "parcels")
    read = pact.upon_receiving("a parcel").given(state, {"id": 7}).with_request("GET", "/parcels/7")
    read.with_header("Authorization", matching("Bearer clerk", "^Bearer .+$"))
    read.will_respond_with(200).with_body({"id": integer(7), "place": {"city": text("Rome")}})
    return pact


def write(folder: Path, pact: Pact) -> None:
    (folder / "client").mkdir()
    (folder / "client" / "parcels.json").write_text(files.text_of(pact))


class Parcels:
    """A provider that answers with its parcels. It notes the logins that it gets."""

    def __init__(self) -> None:
        self.parcels: dict[int, dict[str, Any]] = {}
        self.body: dict[str, Any] = {"id": 7, "place": {"city": "Oslo", "street": "Storgata"}}
        self.logins: list[str] = []
        self.app = Starlette(routes=[Route("/parcels/{id:int}", self.read)])

    @property
    def states(self) -> Mapping[str, State]:
        async def there_is_a_parcel(asked: Mapping[str, Any]) -> None:
            self.parcels[asked["id"]] = self.body

        return {"there is a parcel": there_is_a_parcel}

    async def read(self, request: Request) -> JSONResponse:
        self.logins.append(request.headers["authorization"])
        found = self.parcels.get(request.path_params["id"])
        return JSONResponse(found or {}, 404 if found is None else 200)


@pytest.fixture
def parcels() -> Parcels:
    return Parcels()


async def authorize(given: str) -> str:
    return given.replace("clerk", "a-real-token")


async def test_an_api_with_all_that_is_read_passes(tmp_path: Path, parcels: Parcels) -> None:
    write(tmp_path, pact_of())
    provider = Provider(parcels.app, parcels.states, authorize=authorize)
    await assert_app_as_expected("parcels", "client", provider, tmp_path)
    assert parcels.logins == ["Bearer a-real-token"]


async def test_a_field_that_is_dropped_is_told_with_its_client(tmp_path: Path, parcels: Parcels) -> None:
    write(tmp_path, pact_of())
    parcels.body = {"id": 7, "place": {"street": "Storgata"}}
    with pytest.raises(
        AssertionError, match=r"client reads `place\.city` of 'a parcel', and parcels does not send it"
    ):
        await assert_app_as_expected("parcels", "client", Provider(parcels.app, parcels.states), tmp_path)


async def test_another_status_is_told(tmp_path: Path, parcels: Parcels) -> None:
    async def forget(_: Mapping[str, Any]) -> None:
        parcels.parcels.clear()

    write(tmp_path, pact_of())
    provider = Provider(parcels.app, {"there is a parcel": forget})
    with pytest.raises(
        AssertionError, match="client expects the status 200 of 'a parcel', and parcels answers 404"
    ):
        await assert_app_as_expected("parcels", "client", provider, tmp_path)


async def test_a_state_that_the_provider_does_not_know_is_one_sentence(
    tmp_path: Path, parcels: Parcels
) -> None:
    write(tmp_path, pact_of("there is a train"))
    with pytest.raises(WrongExpectation, match="in the state 'there is a train' .* do not know.*The way out"):
        await assert_app_as_expected("parcels", "client", Provider(parcels.app, parcels.states), tmp_path)


async def test_a_state_that_fails_is_told(tmp_path: Path, parcels: Parcels) -> None:
    async def fail(_: Mapping[str, Any]) -> None:
        raise ValueError("no room for it")

    write(tmp_path, pact_of())
    with pytest.raises(
        AssertionError, match="cannot be brought into the state 'there is a parcel'.*no room for it"
    ):
        await assert_app_as_expected(
            "parcels", "client", Provider(parcels.app, {"there is a parcel": fail}), tmp_path
        )


def test_a_client_that_asks_otherwise_than_it_has_written_down_is_seen() -> None:
    def ask_otherwise() -> None:
        with answering(pact_of()) as url:
            httpx.get(f"{url}/parcels/8", headers={"Authorization": "Bearer clerk"}, trust_env=False)

    with pytest.raises(MismatchesError, match="Request not found: GET /parcels/8"):
        ask_otherwise()


@pytest.mark.parametrize("damage", ["", "[]", '{"consumer": {"name": "client"}}'])
async def test_a_damaged_file_is_one_sentence(tmp_path: Path, parcels: Parcels, damage: str) -> None:
    write(tmp_path, pact_of())
    (tmp_path / "client" / "parcels.json").write_text(damage)
    with pytest.raises(WrongExpectation, match="client/parcels.json is no Pact file .* run `make contracts`"):
        await assert_app_as_expected("parcels", "client", Provider(parcels.app), tmp_path)
