"""The chassis' own job: it deletes rows that are older than their retention.

The outbox keeps sent rows, so that lost topics can be filled again. The inbox keeps an event's row for as long as a
topic can deliver the event again (see `chassis.kafka.topic_retention`).
"""

from datetime import timedelta
from functools import partial

from chassis.jobs.job import Job
from chassis.outbox import Database
from chassis.postgres import Statements

INTERVAL_SECONDS = 60
BATCH = 5_000
"""Rows of each large table per transaction. Small batches hold locks for a short time, and autovacuum can follow.
GIVEN_UP entries and members of the relays are few, and have no such limit."""

_statements = Statements(__package__)


def prune_job(outbox: timedelta, inbox: timedelta) -> Job:
    """The job that deletes rows when they are older than these retentions."""
    return Job(partial(prune, outbox=outbox, inbox=inbox), interval=INTERVAL_SECONDS)


async def prune(database: Database, outbox: timedelta, inbox: timedelta) -> int:
    """Delete a batch of rows of each table that are older than their retention and no longer needed.

    The age of an outbox row counts from its event, of an inbox row from its arrival, of an idempotency key from its
    creation, and of a dead letter or a GIVEN_UP entry from its end. Outbox rows that were neither sent nor
    given up stay. Relays that were not seen for a day are forgotten.

    Returns the number of deleted rows, without the entries of GIVEN_UP rows, which are deleted as well. Replicas that
    prune at the same time skip each other's rows in the large tables.
    """
    async with database.transaction() as tx:
        limits = {"outbox": outbox, "inbox": inbox, "batch": BATCH}
        return int(await tx.connection.value(_statements.named("prune"), limits))
