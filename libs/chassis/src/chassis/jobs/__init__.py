"""Jobs: work that runs at a fixed interval, or after a transaction of the same process that calls `tx.wake`.

A `Job` does one piece of work per call and returns how many items it did. Every process with the role `worker` or `all`
runs all jobs of its service, so a job locks the rows that it works on.

An `IntentQueue` processes a service's table of intents: calls of an outside system that must still be made. It uses
functions of the service for the SQL. `process_due` claims the intents that are due, with a lease. It makes the calls
without an open transaction, and records the results. If a call raises an error, such as `TryLater`, its intent is due
again after a pause. If the process is stopped meanwhile, the results that have arrived are recorded, and the other
claimed intents become due at once. If it is killed, the calls are made again when the lease ends.

`prune` is the chassis' own job. It deletes outbox rows that were sent or given up and whose event is older than
OUTBOX_RETENTION. It deletes inbox rows and idempotency keys that are older than INBOX_RETENTION, and dead letters that
ended longer ago than that.
"""

from chassis.jobs.intents import Intent, IntentCounts, IntentQueue, PostponedIntent, TryLater
from chassis.jobs.job import Job, Jobs, run_job

__all__ = [
    "Intent",
    "IntentCounts",
    "IntentQueue",
    "Job",
    "Jobs",
    "PostponedIntent",
    "TryLater",
    "run_job",
]
