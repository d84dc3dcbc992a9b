from chassis.postgres.migrations import run_env
from orders.db import metadata

run_env(metadata)
