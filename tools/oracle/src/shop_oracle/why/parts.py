"""Reads which parts of the shop do not work, and the command that cures each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import httpx

from shop_oracle.why.facts import Facts, Trouble
from shop_stack import embedded
from shop_stack.hands import Act, act_on
from shop_stack.stack import ISSUER, PROCESSOR
from shop_stack.target import Target

SECONDS = 4.0
WAITING = re.compile(r"^chassis_partitions_waiting(?:\{.*\})? ([0-9.e+]+)$", re.MULTILINE)
CURES_ELSEWHERE = {"compose": "docker compose up --wait", "k8s": "kubectl --namespace shopfloor get pods"}
"""Target → the command for a part that does not answer, where `shop start` cannot start it."""


async def look_at_parts(target: Target, facts: Facts) -> None:
    """Note in `facts` each part that does not run, is frozen or slow, or is not ready."""
    if target.name == "embedded":
        facts.parts |= {trouble.part: trouble for trouble in _processes(target)}
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
        asked = [service for service in target.management_urls if service not in facts.parts]
        await asyncio.gather(*(_ask_service(http, target, facts, service) for service in asked))
        urls = {PROCESSOR: target.processor_url, ISSUER: target.issuer.url}
        outside = [name for name, url in urls.items() if url and name not in facts.parts]
        await asyncio.gather(*(_ask_outside(http, target, facts, name, urls[name]) for name in outside))


def _processes(target: Target) -> Iterator[Trouble]:
    """What can be said of the processes of the embedded stack."""
    stack = embedded.stack(target.state)
    for name in stack.parts:
        match act_on(stack, name):
            case Act.STOPPED:
                yield Trouble(name, f"{name} is stopped by hand", f"shop start {name}")
            case Act.FROZEN | Act.SLOW as act:
                yield Trouble(name, f"{name} is {act}", f"shop resume {name}")
            case _ if stack.daemon(name).process() is None:
                yield Trouble(name, f"{name} does not run", f"shop start {name}")


async def _ask_service(http: httpx.AsyncClient, target: Target, facts: Facts, service: str) -> None:
    """Note the failed checks of a service, and the partitions that wait behind a message."""
    url = target.management_urls[service]
    try:
        checks = (await http.get(f"{url}/readyz", params={"require": "all"})).json()["checks"]
        metrics = (await http.get(f"{url}/metrics")).text
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        facts.parts[service] = _silent(target, service)
        return
    failed = ", ".join(f"{name}: {text}" for name, text in checks.items() if text != "ok")
    found = []
    if waiting := sum(float(count) for count in WAITING.findall(metrics)):
        what = f"{waiting:.0f} partitions of {service} wait behind a message that it cannot handle"
        found.append(Trouble(service, what, f"shop logs {service}"))
    if failed:
        found.append(Trouble(service, f"{service} is not ready ({failed})", f"shop logs {service}"))
    if found:
        facts.unready[service] = found


async def _ask_outside(http: httpx.AsyncClient, target: Target, facts: Facts, name: str, url: str) -> None:
    try:
        (await http.get(f"{url}/readyz")).raise_for_status()
    except httpx.HTTPError:
        facts.parts[name] = _silent(target, name)


def _silent(target: Target, part: str) -> Trouble:
    return Trouble(part, f"{part} does not answer", CURES_ELSEWHERE.get(target.name, f"shop restart {part}"))
