"""Starts the server, and prints the link."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import uvicorn

from shop_floor import acts
from shop_floor.app import Shop, create_app
from shop_floor.floor import Floor, Sources
from shop_floor.guard import Guard
from shop_floor.log import newest, of_order
from shop_floor.looks import Looker
from shop_observe import trace_links
from shop_observe.topics import all_topics
from shop_stack.ports import HOST, require_free
from shop_stack.target import Target

PORT_ABOVE_BASE = 40
"""The port of the server, counted as the ports of the shop are."""
STOP_SECONDS = 2
"""Open streams do not end by themselves, so the server ends them after this time."""


def shop_floor(target: Target, guard: Guard) -> Shop:
    """The floor of a running shop."""
    topics = all_topics(target.contracts)
    floor = Floor(Sources(topics, partial(newest, target, topics), partial(Looker, target, topics)))
    return Shop(target, floor, guard, partial(of_order, target))


def serve(
    target: Target,
    port: int,
    tell: Callable[[str], None],
    *,
    listen: tuple[str, int] | None = None,
    anyone: bool = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM. `tell` gets each link, because a link is good once.

    `port` is that of 127.0.0.1 for the browser. `listen` has another address and port for a container, and `anyone`
    lets clients of other addresses in. Raises UserError if the port is in use, or if SHOP_TRACE_URL is no address.
    """
    trace_links.store()
    host, own = listen or (HOST, port)
    require_free("the floor", own)
    guard = Guard(port, on_used=lambda link: tell(f"Another browser: {link}"), anyone=anyone)
    app = create_app(shop_floor(target, guard), acts.router)
    tell(f"Open the floor: {guard.link()}")
    uvicorn.run(
        app,
        host=host,
        port=own,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
    )
