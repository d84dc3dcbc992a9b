from chassis.postgres.migrations import run_env
from orders.orchestrator.table import metadata

run_env(metadata)
