"""Jobs: what a service does by the clock, or when a transaction wakes it.

A `Job` does one piece of work per call and says how much it did. Any replica may run it, so it locks what it takes.
`prune` is the chassis' own job: it deletes what outbox, inbox and dead letters need not remember any more.
"""

from chassis.jobs.job import Job, Jobs, run_job

__all__ = ["Job", "Jobs", "run_job"]
