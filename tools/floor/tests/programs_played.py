"""The subcommands of `shop` that take long, as a test plays them: traces, `can-i-deploy` and drills."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from shop_floor.programs import SECONDS, Ended
from shop_floor.programs import shop as real
from shop_stack.target import Target
from testkit import eventually

HINT = "`shop status` shows it."
NO_DRILL = "shop: No drill is on: `shop drill start` begins one."
VERDICT: dict[str, Any] = {
    "at": "2026-03-02T09:00:00+00:00",
    "ruling": "cured",
    "reasons": [],
    "part": "payments",
    "cause": "frozen",
    "seconds": {"detect": 8.2, "diagnose": 31.0, "cure": 44.5},
    "wrong_answers": 1,
    "hints": 1,
    "restarted": ["payments"],
    "money": {"orders": {"CONFIRMED": 88, "REJECTED": 7}, "charged": 298_320, "refunded": 6_780},
}


def span(
    depth: int, service: str, kind: str, name: str, start_ms: float, ms: float, **more: Any
) -> dict[str, Any]:
    """A span as `shop trace --json` prints it."""
    facts = {"depth": depth, "service": service, "kind": kind, "name": name, "start_ms": start_ms, "ms": ms}
    return {**facts, "failed": False, "trace_id": "a" * 32, "span_id": "b" * 16, **more}


def spans_of_an_order() -> list[dict[str, Any]]:
    """The spans of an order whose first call of the card processor fails."""
    return [
        span(0, "orders", "server", "POST /orders", 0.0, 9.4),
        span(1, "orders", "producer", "publish orders.order-placed.v1", 8.8, 6.1),
        span(2, "inventory", "consumer", "process orders.order-placed.v1", 16.2, 8.9),
        span(3, "inventory", "producer", "publish inventory.stock-reserved.v1", 24.6, 5.0),
        span(4, "payments", "consumer", "process inventory.stock-reserved.v1", 31.5, 6.7),
        span(5, "payments", "client", "POST /charges", 39.4, 41.0, failed=True),
        span(5, "payments", "client", "POST /charges", 140.2, 18.3),
        span(6, "payments", "producer", "publish payments.payment-captured.v1", 160.0, 5.2),
        span(7, "orders", "consumer", "process payments.payment-captured.v1", 166.9, 7.3),
        span(8, "orders", "producer", "publish orders.order-confirmed.v1", 174.0, 4.4),
        span(9, "inventory", "consumer", "process orders.order-confirmed.v1", 180.1, 5.9),
        span(9, "notifications", "consumer", "process orders.order-confirmed.v1", 180.9, 6.2),
    ]


def row(counterpart: str, direction: str, subject: str, **more: str) -> dict[str, str]:
    """A row of the matrix as `shop can-i-deploy --json` prints it."""
    facts = {"counterpart": counterpart, "version": "0.3.0", "direction": direction, "subject": subject}
    return {**facts, "verdict": "yes", "since": "0.2.0", "field": "", "reason": "", "way_out": "", **more}


def answer_of(service: str) -> dict[str, Any]:
    """What `shop can-i-deploy SERVICE --json` prints. payments takes away a field that orders reads."""
    event = f"{service}.something-happened.v1"
    rows = [row(other, f"reads {service}", event) for other in ("orders", "analytics") if other != service]
    rows.append(
        row("orders.order.v1", f"is read by {service}", "orders.order-placed.v1", version="1,204 messages")
    )
    if service == "payments":
        broken = {
            "verdict": "no",
            "field": "amount",
            "reason": "orders 0.3.0 reads amount of payments.payment-captured.v1, and payments 0.4.0 does not send it.",
            "way_out": "let payments send it as before until no deployed release of orders reads it",
        }
        rows.append(row("orders", "reads payments", "payments.payment-captured.v1", **broken))
    deployable = service != "payments"
    sentence = (
        f"Yes: {service} 0.4.0 can be deployed to embedded; all 3 rows of 3 counterparts are compatible."
    )
    return {
        "service": service,
        "version": "0.4.0",
        "target": "embedded",
        "deployable": deployable,
        "sentence": sentence if deployable else "No: payments 0.4.0 cannot be deployed to embedded.",
        "rows": rows,
        "notes": [],
    }


@dataclass
class Programs:
    """What the subcommands answer."""

    spans: list[dict[str, Any]] = field(default_factory=spans_of_an_order)
    """[]: no span was received."""
    unanswered: set[str] = field(default_factory=set)
    """Services about which `can-i-deploy` cannot say anything."""
    held: bool = False
    """Whether the comparison and the commands of a drill do not end."""
    link: str = ""
    """The address of the trace in a store of traces."""
    drill: dict[str, Any] | None = None
    calls: list[tuple[str, ...]] = field(default_factory=list)

    async def shop(self, target: Target, *arguments: str, seconds: float = SECONDS) -> Ended:
        """Take the place of `programs.shop`."""
        self.calls.append(arguments)
        match arguments:
            case ("trace", order_id, "--json"):
                if not self.spans:
                    return failed(f"shop: No span of order {order_id} was received.")
                return printed({"order_id": order_id, "link": self.link, "spans": self.spans})
            case ("can-i-deploy", service, "--json"):
                await self._released()
                if service in self.unanswered:
                    return failed("shop: The log cannot be read: is the shop up?")
                return printed(answer_of(service), 0 if service != "payments" else 1)
            case ("drill", verb, *options):
                return await self._drill(verb, options)
        return await real(target, *arguments, seconds=seconds)

    async def _released(self) -> None:
        async def is_released() -> None:
            assert not self.held

        await eventually(is_released, 60)

    async def _drill(self, verb: str, options: list[str]) -> Ended:
        if verb == "start":
            await self._released()
            seed = int(options[-1]) if "--seed" in options else 7
            facts = {"seconds": 34.0, "orders_placed": 61, "customers_came_again": None, "wrong_answers": 0}
            self.drill = {"seed": seed, **facts, "hints": 0}
            return printed({"seed": seed})
        if self.drill is None:
            return failed(NO_DRILL)
        match verb:
            case "status":
                return printed(self.drill)
            case "hint":
                self.drill["hints"] += 1
                return printed({"hint": HINT})
            case "stop":
                self.drill = None
                return printed({"fault": "payments: frozen (its process lives and does nothing)"})
        _, part, _, cause, _ = options
        await self._released()
        if (part, cause) != ("payments", "frozen"):
            self.drill["wrong_answers"] += 1
            wrong = self.drill["wrong_answers"]
            return failed(
                f"shop: No: the fault is not {part}, {cause}. That is wrong answer {wrong}; the drill goes on."
            )
        self.drill = None
        return printed(VERDICT)


def printed(facts: Any, code: int = 0) -> Ended:
    return Ended(code, json.dumps(facts), "")


def failed(sentence: str) -> Ended:
    return Ended(1, "", sentence + "\n")
