from chassis.postgres.migrations import run_env
from payments.db import metadata

run_env(metadata)
