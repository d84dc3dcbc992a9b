"""The business metrics of analytics: how far the rebuild of the projections is."""

from typing import Any

from prometheus_client import REGISTRY

from analytics import handlers, metrics


async def shown(ledger: Any) -> dict[str, float | None]:
    """What a scrape of /metrics shows."""
    async with ledger.database.reading() as connection:
        await metrics.read_gauges(connection)
    names = ("running", "progress_ratio", "age_seconds")
    return {name: REGISTRY.get_sample_value(f"shopfloor_rebuild_{name}") for name in names}


async def test_a_rebuild_shows_its_progress_and_its_age(ledger: Any) -> None:
    assert await shown(ledger) == {"running": 0, "progress_ratio": 1, "age_seconds": 0}
    async with ledger.database.transaction() as tx:
        generation = await handlers.open_rebuild(tx)
    assert (await shown(ledger))["progress_ratio"] == 0
    async with ledger.database.transaction() as tx:
        await handlers.save_progress(tx, generation, positions={}, read=30, total=40, skipped=0)
    running = await shown(ledger)
    assert (running["running"], running["progress_ratio"]) == (1, 0.75)
    assert (running["age_seconds"] or 0) > 0
    async with ledger.database.transaction() as tx:
        await handlers.activate_rebuild(tx, generation)
    assert await shown(ledger) == {"running": 0, "progress_ratio": 1, "age_seconds": 0}
