"""The clock of a simulation. It stands still until the scheduler moves it.

PostgreSQL follows it: each database has functions `now` and `clock_timestamp` of its own, which its `search_path` names
before those of PostgreSQL. They return the setting `simulated.now` of the session.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
"""The time between two choices."""

ADOPTING = """
    CREATE SCHEMA IF NOT EXISTS simulated_clock;
    CREATE OR REPLACE FUNCTION simulated_clock.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
        SELECT current_setting('simulated.now')::timestamptz
    $$;
    CREATE OR REPLACE FUNCTION simulated_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$
        SELECT simulated_clock.now()
    $$;
    GRANT USAGE ON SCHEMA simulated_clock TO PUBLIC;
    DO $$
    DECLARE given record;
    BEGIN
        FOR given IN
            SELECT table_name, column_name, column_default FROM information_schema.columns
            WHERE table_schema = 'public' AND column_default = 'now()'
        LOOP
            EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I SET DEFAULT simulated_clock.now()',
                           given.table_name, given.column_name);
        END LOOP;
        EXECUTE format('ALTER DATABASE %I SET search_path = public, simulated_clock, pg_catalog', current_database());
    END $$;
"""
"""Makes a migrated database follow the clock: statements by the search path, and the defaults of columns."""


class Clock:
    """The time of all services and databases.

    Events get the time `now`, which grows with each choice, so that a story shows their order. The databases get
    `seconds`, which grows only when the scheduler lets time pass: a session is told the time once, and not before each
    transaction.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._ticks = 0

    @property
    def now(self) -> datetime:
        """The time of an event."""
        return BEGIN + timedelta(seconds=self.seconds) + self._ticks * TICK

    def reset(self) -> None:
        """Begin again."""
        self.seconds = 0.0
        self._ticks = 0

    def tick(self) -> None:
        """Move on by one TICK."""
        self._ticks += 1

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    @property
    def setting(self) -> str:
        """The statement that sets the time of a session."""
        return f"SET simulated.now = '{(BEGIN + timedelta(seconds=self.seconds)).isoformat()}'"
