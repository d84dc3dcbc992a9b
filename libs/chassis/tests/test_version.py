"""`/version` tells the release that a process is, and says plainly what it does not know."""

from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import SecretStr

from chassis.inbox import Subscriptions
from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from libs.chassis.tests.raw_http import NOWHERE
from testkit import client, management_client
from testkit.databases import TestDatabase


def service_on(url: str, subscriptions: Subscriptions, **more: Any) -> Service:
    settings = ServiceSettings(
        service_name="things",
        database_url=SecretStr(url),
        kafka_bootstrap_servers="127.0.0.1:1",
        SHOP_ROLE="api",
        **more,
    )
    return build_service(settings, router=APIRouter(), subscriptions=subscriptions)


async def version_of(service: Service) -> dict[str, Any]:
    async with client(service), management_client(service) as http:
        del http.headers["authorization"]
        answer = await http.get("/version")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


async def test_a_service_tells_its_release_without_a_token(
    project: TestDatabase, subscriptions: Subscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_VERSION", "1.2.3")
    monkeypatch.setenv("SHOP_REVISION", "abc")
    monkeypatch.setenv("SHOP_IMAGE", "sha256:12")
    found = await version_of(service_on(project.url, subscriptions))
    assert found.pop("schema") not in ("", "unknown")
    assert found == {
        "service": "things",
        "version": "1.2.3",
        "revision": "abc",
        "image": "sha256:12",
        "consumes": ["things.thing-counted.v1", "things.thing-renamed.v1"],
        "saga": "choreographed",
        "tx": "steps",
    }


async def test_a_fact_that_is_not_known_is_said_to_be_unknown(
    subscriptions: Subscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHOP_VERSION", "SHOP_REVISION", "SHOP_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    found = await version_of(service_on(NOWHERE, subscriptions))
    assert [found[name] for name in ("version", "revision", "image", "schema")] == ["unknown"] * 4


async def test_a_service_tells_how_it_carries_a_saga_out(subscriptions: Subscriptions) -> None:
    single = service_on(NOWHERE, subscriptions, SHOP_TX="single", local_modules="things")
    orchestrated = service_on(NOWHERE, subscriptions, SHOP_SAGA="orchestrated")
    assert [(await version_of(one))["tx"] for one in (single, orchestrated)] == ["single", "steps"]
    assert (await version_of(orchestrated))["saga"] == "orchestrated"
