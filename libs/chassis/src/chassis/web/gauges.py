"""The gauges that are read when `/metrics` is asked: of the service's database, and of the parts of this process.

A gauge of the database is the same in each process of a service, so rules take the maximum. It is read in every role:
if no worker runs, the `api` processes still tell how long orders and events wait.
"""

import asyncio
import time

from chassis.errors import is_unavailable
from chassis.inbox import dead_letters
from chassis.observability import metrics
from chassis.outbox import operate
from chassis.postgres import Row
from chassis.web.context import ServiceContext

READ_SECONDS = 2.0


async def measure(context: ServiceContext) -> None:
    """Set the gauges. While the database is unavailable, its gauges keep their last values, and their age grows.

    Modules of a group have one set of gauges, in which each scrape writes the values of its own module. Gauges without
    a label that names the module are set at the end, where nothing waits: so no other scrape comes between.
    """
    process = context.process
    outbox: Row | None = None
    try:
        async with asyncio.timeout(READ_SECONDS):
            async with context.background_database.reading() as connection:
                await dead_letters.measure(connection)
                await context.business.read(connection)
                outbox = await operate.measure(connection)
    except Exception as error:
        if not is_unavailable(error):
            raise
    else:
        process.gauges_read_at = time.monotonic()
    for show in context.parts:
        await show()
    if outbox is not None:
        operate.show(outbox)
    context.database.show_connections()
    context.background_database.show_connections()
    metrics.GAUGES_AGE.set(time.monotonic() - process.gauges_read_at)
