"""The job of inventory. It publishes the catalogue again after a request.

It runs at a fixed interval. If the process of the request also runs jobs, it runs at once after the request.
"""

from chassis.jobs import Job, Jobs
from chassis.outbox import Database
from inventory import handlers


async def republish_catalogue(database: Database) -> int:
    """Publish the next page of the running republication. Returns the number of its products."""
    async with database.transaction() as tx:
        return await handlers.republish_page(tx)


JOBS: Jobs = {
    "republish-catalogue": Job(republish_catalogue, interval=2.0, full_batch=handlers.REPUBLISH_PAGE)
}
