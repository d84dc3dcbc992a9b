from sqlalchemy import MetaData

from chassis.postgres.migrations import run_env

run_env(MetaData())
