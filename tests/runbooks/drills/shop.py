"""A running shop as a drill uses it: it breaks parts, and looks at what an operator sees."""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families

from shop_stack import embedded, parts, venvs
from shop_stack.kafka_access import KafkaAccess
from shop_stack.logins import OPERATOR, Login
from shop_stack.parts import create_users
from shop_stack.ports import SERVICES
from shop_stack.rights import LAB
from shop_stack.stack import Stack
from shop_stack.target import Target
from testkit import eventually
from tests.runbooks.drills.asking import caller_of, http_client
from tests.runbooks.pages import ROOT, alert_rules

SKU = "MUG"
OUR_PORTS = re.compile(r":18(\d{3})\b")
EXPRESSION = re.compile(r"((?:chassis|shopfloor)_\w+)(\{[^}]*\})?")
LABEL = re.compile(r'(\w+)="([^"]*)"')
COMMAND_SECONDS = 150.0
T = TypeVar("T")


@dataclass(frozen=True)
class Output:
    """What a command of a page did."""

    command: str
    code: int
    text: str
    """Standard output and standard error."""

    @property
    def json(self) -> Any:
        """The text, read as JSON."""
        assert self.text.strip(), f"no answer: {self.command}"
        return json.loads(self.text)


@dataclass(frozen=True)
class Shop:
    """The shop of the drills."""

    stack: Stack
    target: Target
    altered: set[str] = field(default_factory=set)
    """Services that were started with settings or a fault of a drill."""

    @property
    def kafka(self) -> KafkaAccess:
        """The login with which drills write foreign records and change topics."""
        return self.stack.logins.of(LAB)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command that uses this shop."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
        own = {
            "SHOP_STATE": str(self.stack.state),
            "SHOP_PORT_BASE": str(self.stack.ports.base),
            "COLUMNS": "240",
        }
        return kept | own

    def printed_here(self, command: str) -> str:
        """A command as it is printed, for this shop's ports and folder: pages are written for the default ones."""
        base = self.stack.ports.base
        here = OUR_PORTS.sub(lambda found: f":{base + int(found[1])}", command)
        return here.replace(".shop/", f"{self.stack.state}/")

    async def bash(self, command: str, seconds: float = COMMAND_SECONDS) -> Output:
        """Run a command in the repository. It is killed after `seconds`, as by Ctrl-C: then its code is -1."""
        child = await asyncio.create_subprocess_exec(
            *("bash", "-c", command),
            cwd=ROOT,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            printed, _ = await asyncio.wait_for(child.communicate(), seconds)
        except TimeoutError:
            os.killpg(child.pid, 9)
            await child.wait()
            return Output(command, -1, "")
        assert child.returncode is not None
        return Output(command, child.returncode, printed.decode(errors="replace"))

    # --- Between drills ---------------------------------------------------------------------------

    async def sells_a_product(self) -> None:
        """A drill's customers can order: SKU is on sale, and every part is ready. Idempotent."""
        await create_users(self.stack, [LAB])
        await self.is_ready(seconds=90)
        body = {
            "sku": SKU,
            "name": "Mug",
            "price": {"amount_minor": 1290, "currency": "EUR"},
            "on_hand": 1_000_000,
        }
        await self.ask("inventory", "POST", "/products", json=body)

        async def is_priced() -> None:
            assert SKU in {price["sku"] for price in (await self.get("orders", "/prices"))["prices"]}

        await soon(is_priced, 30)

    async def is_whole(self) -> None:
        """Start what a drill has stopped or altered, and hold that it left no fault: `shop status` and `shop check`."""
        for service in list(self.altered):
            await self.restart(service)
        for part in self.stack.parts:
            await self.start(part)
        await self.is_ready(seconds=90)
        for command in ("status", "check"):
            verdict = await self.bash(f".venv/bin/shop {command}")
            assert verdict.code == 0, f"the drill left a fault\n{verdict.text}"

    # --- Breaking ---------------------------------------------------------------------------------

    async def kill(self, part: str) -> None:
        await embedded.kill(self.stack, part)

    async def stop(self, part: str) -> None:
        await embedded.stop(self.stack, part)

    async def start(self, part: str) -> None:
        await embedded.start(self.stack, part)

    async def restart(self, service: str, fault: str = "", **environment: str) -> None:
        """Start a service anew with settings, or with a fault of `faulty_service`; it need not become ready."""
        await self.stop(service)
        (self.altered.add if fault or environment else self.altered.discard)(service)
        python = str(venvs.service(service).python)
        program = [str(Path(__file__).with_name("faulty_service.py")), service, fault]
        argv = [python, *(program if fault else ["-m", f"{service}.main"])]
        settings = parts.service_environment(self.stack, service) | environment
        self.stack.daemon(service).start(argv, env=settings, cwd=self.stack.state)

        async def answers() -> None:
            assert (await self.readyz(service))[0] is not None

        await soon(answers, 60)

    async def sql(self, service: str, *statements: str) -> Any:
        """Run statements as the owner of the service's tables. Returns the first value of the last one."""
        connection = await asyncpg.connect(self.target.database_urls[service], timeout=10)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    # --- Customers --------------------------------------------------------------------------------

    async def place(
        self, deadline: int | None = None, token: str = "tok_ok", key: str = ""
    ) -> httpx.Response:
        """Place an order of one unit. Returns the answer, also a refusal."""
        body: dict[str, Any] = {
            "lines": [{"sku": SKU, "quantity": 1}],
            "currency": "EUR",
            "payment_token": token,
        }
        if deadline is not None:
            body["deadline_seconds"] = deadline
        return await self.ask(
            "orders", "POST", "/orders", json=body, headers={"Idempotency-Key": key or str(uuid4())}
        )

    async def order(self, deadline: int | None = None, token: str = "tok_ok") -> str:
        """Place an order that is accepted; its id."""
        answer = await self.place(deadline, token)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["order_id"])

    async def state_of(self, order: str) -> str:
        return str((await self.get("orders", f"/orders/{order}"))["state"])

    async def ends(self, order: str, *states: str, seconds: float = 60) -> None:
        """Wait until an order is in one of these states."""

        async def has_ended() -> None:
            assert await self.state_of(order) in states

        await soon(has_ended, seconds)

    # --- Looking ----------------------------------------------------------------------------------

    async def ask(self, part: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask a part over HTTP."""
        who = caller_of(part, method, path)
        login = Login(self.target.issuer, who) if who else None
        async with http_client(login) as http:
            return await http.request(method, self.stack.url(part) + path, **request)

    async def get(self, part: str, path: str) -> Any:
        return (await self.ask(part, "GET", path)).json()

    async def manage(self, service: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask a service on its management port."""
        login = Login(self.target.issuer, OPERATOR) if path.startswith("/admin") else None
        async with http_client(login) as http:
            return await http.request(method, self.stack.management_url(service) + path, **request)

    async def readyz(self, service: str, query: str = "") -> tuple[int | None, dict[str, Any]]:
        """Status and body of `/readyz`; None while nothing answers."""
        try:
            answer = await self.manage(service, "GET", f"/readyz{query}")
        except httpx.TransportError:
            return None, {}
        return answer.status_code, answer.json()

    async def is_ready(self, *services: str, seconds: float = 60) -> None:
        """Wait until services can do all their work."""

        async def ready() -> None:
            for service in services or SERVICES:
                status, body = await self.readyz(service, "?require=all")
                assert status == 200, body

        await soon(ready, seconds)

    async def metric(self, service: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0 without one."""
        text = (await self.manage(service, "GET", "/metrics")).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def alert(self, name: str) -> float:
        """The largest value, over all services, of the metric that an alert watches."""
        (rule,) = (rule for rule in alert_rules() if rule["alert"] == name)
        found = EXPRESSION.search(rule["expr"])
        assert found is not None
        labels = dict(LABEL.findall(found[2] or ""))
        values = [0.0]
        for service in SERVICES:
            with suppress(httpx.TransportError):  # a service that a drill has stopped
                values.append(await self.metric(service, found[1], **labels))
        return max(values)

    def log(self, part: str) -> str:
        """Everything that a part has logged since it was first started."""
        return self.stack.daemon(part).log.read_text(errors="replace")

    async def logs(self, part: str, *events: str, after: int = 0, seconds: float = 40) -> None:
        """Wait until a part has logged all of these behind a place of its log."""

        async def logged() -> None:
            text = self.log(part)[after:]
            assert [event for event in events if event not in text] == []

        await soon(logged, seconds)

    async def violated(self) -> list[int]:
        """The numbers of the invariants that do not hold, once the shop is at rest."""
        verdict = (await self.bash(".venv/bin/shop check --json 2>/dev/null")).json
        assert verdict["unrest"] == []
        return [ruling["number"] for ruling in verdict["invariants"] if not ruling["holds"]]


async def soon(check: Callable[[], Awaitable[T]], seconds: float = 10) -> T:
    """`eventually`, where an answer that is not there yet, or is another than expected, is no error either."""

    async def attempt() -> T:
        try:
            return await check()
        except (LookupError, ValueError, httpx.TransportError) as error:
            raise AssertionError(repr(error)) from error

    return await eventually(attempt, seconds)


def assert_said(text: str, parts_of_it: Sequence[str]) -> None:
    """Hold that a text has all of these in it."""
    assert [part for part in parts_of_it if part not in text] == [], text
