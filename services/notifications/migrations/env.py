"""Alembic's entry: the chassis runs it, as the role that owns the tables."""

from chassis.postgres.migrations import run_env
from notifications.db import metadata

run_env(metadata)
