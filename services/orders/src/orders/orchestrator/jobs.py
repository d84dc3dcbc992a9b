"""The job of the orchestrator. It runs at a fixed interval, beside the job that cancels overdue orders."""

from chassis.jobs import Job, Jobs
from chassis.outbox import Database
from orders.orchestrator import steps


async def repeat_commands(database: Database) -> int:
    """Send those commands again that were not answered in time. Returns how many."""
    async with database.transaction() as tx:
        return await steps.repeat_commands(tx)


ORCHESTRATOR_JOBS: Jobs = {
    "repeat-commands": Job(repeat_commands, interval=1.0, full_batch=steps.MAX_REPEATED_AT_ONCE)
}
