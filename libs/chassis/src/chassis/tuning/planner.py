"""Planner settings for every connection of a service.

Kind: guard. Works around plans that PostgreSQL makes for a table that is still empty.
What it does: sets three settings on every connection, and one more on the relay's.
- `plan_cache_mode = force_generic_plan`: a plan is made once per statement and connection, and not for each batch.
- `jit = off`: statements are not compiled.
- `enable_seqscan = off`: a statement that can use an index does not scan its table.
- `enable_bitmapscan = off`, on the relay's connection: rows are read in the order of the index.
Why: PostgreSQL would plan most of these statements again for each batch. A plan from a time when the table was empty
reads the whole table, until the first ANALYZE up to a minute later. Without statistics, bitmap scans look cheaper to
the planner than scans in the index's order.
Without it: under heavy load on a fresh database, scans of whole tables use a quarter of a core until the first ANALYZE.
In a short run with few rows the settings save 1 % of the CPU (docs/performance.md).
Can be removed when: PostgreSQL makes these plans without the settings. Tests in test_tuning.py fail then.
"""

SERVER_SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}

RELAY_SETTINGS = SERVER_SETTINGS | {"enable_bitmapscan": "off"}
