"""Alembic's entry: the chassis runs it, as the role that owns the tables."""

from analytics.db import metadata
from chassis.postgres.migrations import run_env

run_env(metadata)
