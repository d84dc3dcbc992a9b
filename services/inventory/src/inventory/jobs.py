"""What inventory does by the clock: nothing. It only reacts."""

from chassis.jobs import Jobs

JOBS: Jobs = {}
