"""The business metrics of analytics: how far the rebuild of the projections is."""

from datetime import UTC, datetime

from prometheus_client import Gauge

from analytics import db
from analytics.domain import GenerationState
from chassis.outbox import BusinessMetrics
from chassis.postgres import Connection

RUNNING = Gauge("shopfloor_rebuild_running", "1 while the projections are rebuilt")
PROGRESS = Gauge(
    "shopfloor_rebuild_progress_ratio",
    "The part of its messages that the newest rebuild has read, from 0 to 1",
)
AGE = Gauge("shopfloor_rebuild_age_seconds", "Time since the running rebuild was opened; 0 if none runs")


async def read_gauges(connection: Connection) -> None:
    """Set the gauges of the newest rebuild. A database has at least the generation that its migration made."""
    for newest in await db.newest_generations(connection, 1):
        is_running = newest.state is GenerationState.BUILDING
        RUNNING.set(is_running)
        PROGRESS.set(newest.progress)
        AGE.set((datetime.now(UTC) - newest.opened_at).total_seconds() if is_running else 0)


METRICS = BusinessMetrics(read=read_gauges)
