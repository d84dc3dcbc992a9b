"""Planner settings for every connection of a service.

What it does: plans are made once per statement and not for each batch (`plan_cache_mode`), without JIT, and not as
sequential scans. The relay's connection has no bitmap scans either.
Why: PostgreSQL would plan most of these statements anew for each batch. A plan from a time when the table
was empty reads the whole table, until the first ANALYZE up to a minute later. Under heavy load that took a quarter of a
core. Without statistics, bitmap scans look cheaper to the planner than scans in the index's order.
What it saves: see docs/performance.md; measure again with `TUNING_OFF=planner shop bench --only cpu`.
Waits for: nothing; it is a choice for short statements on tables that change fast.
"""

SERVER_SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}

RELAY_SETTINGS = SERVER_SETTINGS | {"enable_bitmapscan": "off"}
