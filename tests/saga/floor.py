"""What tests do with a running shop. The shop may have any shape."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import httpx

from shop_load.closed_loop import Customers, Placed, serve_customers
from shop_load.plans import Run, Scenario, plan_run
from shop_observe.history import History
from shop_oracle.evidence import Evidence
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack import embedded
from shop_stack.logins import OPERATOR, Login
from shop_stack.stack import Stack
from shop_stack.target import Target
from testkit import eventually

REST_SECONDS = 120.0


@dataclass
class Floor:
    """The shop as tests use it."""

    stack: Stack
    target: Target
    _runs: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, orders: int, only: Scenario | None = None) -> Run:
        """A run that no test had before."""
        number = next(self._runs)
        return plan_run(f"saga-{number}", orders, seed=number, only=only)

    async def serve(
        self, run: Run, on_placed: Callable[[Placed], None] = lambda _: None, concurrency: int = 8
    ) -> Sequence[Placed]:
        """Let customers carry out a run, however often they have to ask."""
        with History(self.target.state / "history", run.name) as history:
            return await serve_customers(
                self.target, run, history, Customers(concurrency, on_placed=on_placed)
            )

    def unit_of(self, service: str) -> str:
        """The process of a service, which it may share with others."""
        return self.stack.database_of(service)

    async def evidence(self) -> Evidence:
        """All that can be seen from outside, once the shop has come to rest."""
        return await gather(self.target, REST_SECONDS, lambda step: None)

    async def crash_while_serving(self, parts: Sequence[str], orders: int) -> Sequence[Placed]:
        """Kill parts when a third of the orders are placed, start them again when two thirds are."""
        run = self.run(orders)
        third, two_thirds = asyncio.Event(), asyncio.Event()
        placed: list[Placed] = []

        def on_placed(one: Placed) -> None:
            placed.append(one)
            if len(placed) >= orders // 3:
                third.set()
            if len(placed) >= 2 * orders // 3:
                two_thirds.set()

        async def crash() -> None:
            await third.wait()
            for part in parts:
                await embedded.kill(self.stack, part)
            if self.unit_of("orders") not in parts and "postgres" not in parts:
                await two_thirds.wait()  # the others go on without it
            for part in parts:
                await embedded.start(self.stack, part)

        done, _ = await asyncio.gather(self.serve(run, on_placed), crash())
        return done

    async def assert_that_the_oracle_holds(self) -> Evidence:
        """The nine invariants, over everything that was ever done to this shop."""
        evidence = await self.evidence()
        verdict = judge(evidence)
        assert verdict.holds, verdict.complaint
        return evidence

    async def rebuild_reports(self) -> None:
        """Have analytics rebuild its projections, and hold that its reports are as before, then and meanwhile."""
        before = (await self.assert_that_the_oracle_holds()).reports
        login = Login(self.target.issuer, OPERATOR)
        url = self.target.service_urls["analytics"]
        async with httpx.AsyncClient(base_url=url, trust_env=False, auth=login) as http:
            answer = await http.post("/rebuilds")
            assert answer.status_code == 202

            async def rebuilt() -> None:
                # Reads go on meanwhile, and never see half of it.
                report = (await http.get("/reports/orders-by-state")).json()
                assert report == before["orders-by-state"], report
                state = (await http.get(answer.headers["location"])).json()["state"]
                assert state == "ACTIVE"

            await eventually(rebuilt, 60)
        assert (await self.assert_that_the_oracle_holds()).reports == before
