"""The command `shop watch ORDER`."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Annotated

import httpx
import typer
from rich.console import Console

from shop_observe.kafka_log import Entry, declared_topics, follow
from shop_observe.timeline import has_ended, tell, timeline_line
from shop_stack.connect import connect
from shop_stack.errors import UserError
from shop_stack.target import Target

SILENCE = 3.0
"""Seconds without news after the end of an order, then its story is over: messages and refunds follow late."""


def order_id_of(text: str) -> str:
    """An order id in its usual spelling. Raises BadParameter if it is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no order id: `shop order` prints one.") from None


def watch(order: Annotated[str, typer.Argument(help="The order's id.", metavar="ORDER")]) -> None:
    """Print the events of an order while they happen, until it has ended.

    Each line shows the time since the order was placed, the service, the event,
    and its cause. The events are read from the Kafka log without a consumer
    group, so that no service is affected.

    Examples:

        shop watch 01985f0e-…

        shop watch $(shop order --outcome cancelled | head -1)"""
    order_id = order_id_of(order)
    with connect() as target:
        asyncio.run(tell_story(target, order_id, Console()))


async def tell_story(target: Target, order_id: str, console: Console) -> None:
    """Print the order's events as they come; returns when its story is over."""
    placed_at = await when_placed(target, order_id)
    topics = [topic for topic in declared_topics(target.contracts) if not topic.compacted]
    known: dict[str, Entry] = {}
    heard_at = time.monotonic()
    async with aclosing(follow(target, topics, placed_at - timedelta(seconds=5))) as batches:
        async for entries in batches:
            news = {e.id: e for e in entries if e.key == order_id and e.id not in known}
            known |= news
            for step in tell(sorted(news.values(), key=lambda entry: entry.moment), known, placed_at):
                console.print(timeline_line(step), soft_wrap=True)
            if news:
                heard_at = time.monotonic()
            elif has_ended(known.values()) and time.monotonic() - heard_at > SILENCE:
                return


async def when_placed(target: Target, order_id: str) -> datetime:
    url = f"{target.service_urls['orders']}/orders/{order_id}"
    try:
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            response = await client.get(url)
    except httpx.TransportError:
        raise UserError(f"{url} does not answer: is the shop up? See `shop status`.") from None
    if response.status_code == 404:
        raise UserError(f"There is no order {order_id}: `shop order` places one and prints its id.")
    try:
        return datetime.fromisoformat(response.raise_for_status().json()["placed_at"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{url} answers {response.status_code} and no order: try again, or see `shop status`."
        ) from None
