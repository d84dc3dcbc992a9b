"""Alembic's entry: the chassis knows how to connect, this service knows its tables."""

from chassis.postgres.migrations import run_env
from inventory.db import metadata

run_env(metadata)
