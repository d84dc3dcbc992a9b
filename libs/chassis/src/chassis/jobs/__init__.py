"""Jobs: work that runs by the clock, or when a transaction wakes it.

A `Job` does one piece of work per call and returns how many items it did. Any replica may run it, so it locks its rows.
An `IntentQueue` has the work in outside systems: a job claims intents, carries them out and records the results.
`prune` is the chassis' own job: it deletes old rows of outbox, inbox and dead letters.
"""

from chassis.jobs.intents import Intent, IntentQueue, PostponedIntent, TryLater, Worked, measuring
from chassis.jobs.job import Job, Jobs, run_job

__all__ = [
    "Intent",
    "IntentQueue",
    "Job",
    "Jobs",
    "TryLater",
    "PostponedIntent",
    "Worked",
    "measuring",
    "run_job",
]
