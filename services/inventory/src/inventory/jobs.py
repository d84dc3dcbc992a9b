"""What inventory does by the clock: it publishes its catalogue again, where that was asked for."""

from chassis.jobs import Job, Jobs
from chassis.outbox import Database
from inventory import handlers


async def republish_catalogue(database: Database) -> int:
    """Publish the next page of a republication that is under way. Returns how many products."""
    async with database.transaction() as tx:
        return await handlers.republish_page(tx)


JOBS: Jobs = {
    "republish-catalogue": Job(republish_catalogue, interval=2.0, batch_limit=handlers.REPUBLISH_PAGE)
}
