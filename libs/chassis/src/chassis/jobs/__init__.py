"""Jobs: what a service does by the clock, or when a transaction wakes it.

A `Job` does one piece of work per call and says how much it did. Any replica may run it, so it locks what it takes.
An `IntentQueue` is what a service must do outside: a job claims its intents, carries them out and records them.
`prune` is the chassis' own job: it deletes what outbox, inbox and dead letters need not remember any more.
"""

from chassis.jobs.intents import Intent, IntentQueue, NotNow, Postponed, Worked, measuring
from chassis.jobs.job import Job, Jobs, run_job

__all__ = [
    "Intent",
    "IntentQueue",
    "Job",
    "Jobs",
    "NotNow",
    "Postponed",
    "Worked",
    "measuring",
    "run_job",
]
