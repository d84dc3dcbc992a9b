"""A browser on the floor of a shop that tests play. Run by `make test-floor` only: it needs Debian's chromium."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from shop_floor import acts, parts, programs, shopping
from shop_floor.app import create_app
from shop_load.plans import Scenario
from shop_stack import logins
from shop_stack.ports import SERVICES, free_port
from shop_stack.target import Target
from tools.floor.tests import scenes
from tools.floor.tests.programs_played import Programs
from tools.floor.tests.scenes import Log, Looker, Order
from tools.floor.tests.services import Services, serving

collect_ignore_glob = [] if os.environ.get("SHOP_FLOOR_TESTS") == "1" else ["test_*.py"]

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = float(os.environ.get("SHOP_FLOOR_PATIENCE_MS", "5000"))
"""How long a test waits for what a page must show: a machine that is busy with other work needs more."""
expect.set_options(timeout=PATIENCE_MS)
SIZE: ViewportSize = {"width": 1240, "height": 740}
AXE = gzip.decompress((Path(__file__).parents[1] / "vendored/axe.min.js.gz").read_bytes()).decode()
PART_ACTS = ["stop", "kill", "freeze", "slow"]
PART = {
    "name": "payments",
    "state": "ready",
    "release": "clone",
    "port": 18003,
    "seconds": 600.0,
    "bytes": 118_000_000,
}


@dataclass
class Played:
    """A shop that tests play, and the floor that shows it."""

    log: Log
    looker: Looker
    services: Services
    port: int
    link: Callable[[], str]
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    programs: Programs = field(default_factory=Programs)
    loop: asyncio.AbstractEventLoop | None = None

    def write(self, order: Order) -> Order:
        """Write the records of an order into the log."""
        self.run(self.log.write(*order.entries))
        return order

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the loop of the server."""
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    @property
    def here(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def all_parts() -> dict[str, dict[str, Any]]:
    names = ("postgres", "kafka", "spans", "processor", "issuer", *SERVICES)
    return {
        name: {**PART, "name": name, "release": "clone" if name in SERVICES else "", "acts": PART_ACTS}
        for name in names
    }


def play(played: Played, patch: pytest.MonkeyPatch) -> None:
    """Let the shop do what the pages ask for."""

    async def placed(target: Target, outcome: Scenario) -> tuple[str, str]:
        made = {Scenario.CONFIRMED: scenes.confirmed, Scenario.DECLINED: scenes.declined}
        order = made.get(outcome, scenes.refunded)()
        await played.log.write(*order.entries)
        return order.id, "c-ada"

    async def placed_lines(target: Target, lines: Any, *, slow: bool) -> tuple[str, str]:
        order = scenes.placed_order()
        await played.log.write(*order.entries)
        return order.id, "c-ada"

    async def cancelled(target: Target, order_id: str, customer: str) -> dict[str, Any]:
        order = Order(order=order_id).event("orders.order-cancelled.v1", 0, reason="customer")
        await played.log.write(*order.entries)
        return {"state": "CANCELLED"}

    async def catalogue(target: Target) -> list[dict[str, Any]]:
        return [
            {"sku": "mug-blue", "name": "Mug, blue", "minor": 1_250, "currency": "EUR", "available": 998},
            {
                "sku": "tea-assam",
                "name": "Assam tea, 250 g",
                "minor": 890,
                "currency": "EUR",
                "available": 1_000,
            },
            {"sku": "chair-oak", "name": "Chair, oak", "minor": 18_900, "currency": "EUR", "available": 3},
            {
                "sku": "print-harbour",
                "name": "Art print",
                "minor": 2_400,
                "currency": "USD",
                "available": 1_000,
            },
        ]

    async def listed(target: Target) -> list[dict[str, Any]]:
        return list(played.parts.values())

    async def act(target: Target, name: str, what: str) -> str:
        stopped = what in ("stop", "kill")
        change = {"state": "stopped", "acts": ["start"]} if stopped else {"state": "ready", "acts": PART_ACTS}
        played.parts[name] |= change
        return f"{name} {parts.DONE[what]}."

    async def verdict(target: Target) -> dict[str, Any]:
        names = ("answers and orders", "stock", "money", "delivery", "order of keys", "endings")
        ruled = [
            {"number": n, "name": name, "holds": True, "unjudged": ""} for n, name in enumerate(names, 1)
        ]
        return {"holds": True, "invariants": ruled}

    for module, name, work in (
        (shopping, "place_outcome", placed),
        (shopping, "place_lines", placed_lines),
        (shopping, "cancel", cancelled),
        (shopping, "catalogue", catalogue),
        (parts, "parts", listed),
        (parts, "act", act),
        (programs, "ask_oracle", verdict),
        (programs, "shop", played.programs.shop),
    ):
        patch.setattr(module, name, work)
    patch.setattr(logins, "kept", lambda issuer, who: "a token that the played services do not read")


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    """The floor of a played shop, with a link that is good once."""
    log, looker, services, port = Log(), Looker(scenes.healthy()), Services(), free_port()
    with serving(services.app()) as url:
        shop = scenes.fake_shop(log, looker, scenes.fake_target(url, tmp_path), port)
        found = Played(log, looker, services, port, shop.guard.link, all_parts())
        play(found, monkeypatch)
        app = create_app(shop, acts.router)

        @app.middleware("http")
        async def note_the_loop(request: Any, call_next: Any) -> Any:
            found.loop = asyncio.get_running_loop()
            return await call_next(request)

        with serving(app, port):
            yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, played: Played) -> Iterator[Page]:
    """A page that has opened the link. A fault in its console fails the test."""
    with chromium.new_context(viewport=SIZE, accept_downloads=True, locale="en-GB") as context:
        context.set_default_timeout(6 * PATIENCE_MS)
        found = context.new_page()
        faults: list[str] = []
        found.on("pageerror", lambda error: faults.append(str(error)))
        found.on(
            "console", lambda said: faults.append(said.text) if "Content Security" in said.text else None
        )
        found.goto(played.link())
        found.get_by_role("heading", name="The floor").wait_for()
        yield found
        assert faults == []


def violations(page: Page) -> list[str]:
    """What axe-core says is wrong for people who use a screen reader, a keyboard or large text."""
    # Playwright evaluates it in the page's own world, which the policy for scripts of the page does not concern.
    page.evaluate(AXE)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['help']}: {node['html'][:160]}: {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]
