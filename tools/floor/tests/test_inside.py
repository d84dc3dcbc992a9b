"""The floor in a container: its shop is what its variables say, and what it cannot do there is a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from shop_floor import acts, programs
from shop_floor.app import create_app
from shop_floor.inside import INSIDE, PORT, target_of
from shop_stack.errors import UserError
from shop_stack.logins import OPERATOR, STOREFRONT
from shop_stack.paths import contracts
from shop_stack.ports import SERVICES
from tools.floor.tests.scenes import Log, Looker, fake_shop, fake_target, healthy

ROOT = Path(__file__).parents[3]
BROWSER = "http://127.0.0.1:19040"


def of_compose() -> dict[str, str]:
    """The variables of the container in docker-compose.yml, with the passwords of practice."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["floor"]
    taken = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in service["environment"].items()
    }
    assert service["ports"] == [f"127.0.0.1:${{SHOP_PORTS:-190}}40:{PORT}"]
    return taken


def of_kubernetes() -> dict[str, str]:
    """The variables of the pod in the component `floor`; a reference to a Secret becomes its name and its key."""
    (deployment, *_) = yaml.safe_load_all((ROOT / "deploy/k8s/components/floor/floor.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": PORT}]
    return {one["name"]: one.get("value") or secret_of(one) for one in container["env"]}


def secret_of(variable: Mapping[str, Any]) -> str:
    reference = variable["valueFrom"]["secretKeyRef"]
    return f"{reference['name']}/{reference['key']}"


@pytest.mark.parametrize(
    ("environment", "orders", "management", "kafka"),
    [
        (of_compose(), "http://orders:8000", "http://orders:9000", "kafka:19092"),
        (of_kubernetes(), "http://orders-api:8000", "http://orders-management:9000", "kafka:9092"),
    ],
    ids=["compose", "kubernetes"],
)
def test_the_variables_of_a_container_are_a_whole_target(
    tmp_path: Path, environment: dict[str, str], orders: str, management: str, kafka: str
) -> None:
    target = target_of(environment, contracts(), tmp_path)
    assert (target.service_urls["orders"], target.management_urls["orders"]) == (orders, management)
    assert (target.kafka.bootstrap, target.kafka.username, list(target.service_urls)) == (
        kafka,
        "oracle",
        list(SERVICES),
    )
    assert all(target.issuer.secrets[client] for client in (OPERATOR, STOREFRONT))
    assert target.database_urls == {}, "a floor reads no database"


@pytest.mark.parametrize("name", ["KAFKA_SASL_PASSWORD", "ISSUER_URL", "FLOOR_SERVICE_URL"])
def test_a_variable_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    environment = of_compose()
    del environment[name]
    with pytest.raises(UserError, match=f"The variable {name} is missing"):
        target_of(environment, contracts(), tmp_path)


@pytest.mark.parametrize("path", ["/api/labs", "/api/drill", "/api/parts"])
async def test_what_needs_another_machine_is_a_sentence(tmp_path: Path, path: str) -> None:
    async with browser_of(tmp_path, anyone=True) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 502
    assert re.search("on your machine only|embedded stack only", answer.json()["detail"])


def browser_of(folder: Path, *, anyone: bool, address: str = "172.18.0.1") -> httpx.AsyncClient:
    """A browser whose requests come from an address, and which has opened the link."""
    target = replace(fake_target("http://127.0.0.1:1", folder), name=INSIDE)
    shop = fake_shop(Log(), Looker(healthy()), target, 19040)
    shop.guard.anyone = anyone
    transport = httpx.ASGITransport(create_app(shop, acts.router), client=(address, 50_000))
    link = shop.guard.link()

    async def opened(request: httpx.Request) -> None:
        """Send the cookie of the session with each request."""
        if "cookie" not in request.headers and request.url.path.startswith("/api"):
            async with httpx.AsyncClient(transport=transport, base_url=BROWSER) as first:
                await first.get(link)
                request.headers["cookie"] = "; ".join(
                    f"{name}={value}" for name, value in first.cookies.items()
                )

    return httpx.AsyncClient(transport=transport, base_url=BROWSER, event_hooks={"request": [opened]})


async def test_the_gateway_of_a_network_is_let_in_only_where_the_port_is_published_on_this_machine(
    tmp_path: Path,
) -> None:
    async with browser_of(tmp_path, anyone=True) as browser:
        assert (await browser.get("/api/session")).status_code == 200
        stranger = await browser.get("/api/session", headers={"host": "evil.example:19040"})
        assert (stranger.status_code, "another name" in stranger.json()["detail"]) == (403, True)
    async with browser_of(tmp_path, anyone=False) as browser:
        assert (await browser.get("/api/session")).status_code == 403


async def test_a_probe_gets_an_answer_from_each_address_and_nothing_else(tmp_path: Path) -> None:
    async with browser_of(tmp_path, anyone=False, address="10.1.2.3") as probe:
        alive = await probe.get("/livez", headers={"host": "10.1.2.9:8000"})
        assert (alive.status_code, alive.text) == (200, "ok")
        assert (await probe.get("/", headers={"host": "10.1.2.9:8000"})).status_code == 403


async def test_no_command_is_started_for_a_floor_in_a_container(tmp_path: Path) -> None:
    target = replace(fake_target("http://127.0.0.1:1", tmp_path), name=INSIDE)
    with pytest.raises(UserError, match="`shop check` runs on your machine only"):
        await programs.ask_oracle(target)
