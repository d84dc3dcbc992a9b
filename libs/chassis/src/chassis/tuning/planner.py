"""Planner settings for every connection of a service.

Kind: speed. Without it the results are the same.
What it does: sets three settings on every connection, and one more on the relay's.
- `plan_cache_mode = force_generic_plan`: a plan is made once per statement and connection, and not for each batch.
- `jit = off`: statements are not compiled.
- `enable_seqscan = off`: a statement that can use an index does not scan its table.
- `enable_bitmapscan = off`, on the relay's connection: rows are read in the order of the index.
Why: PostgreSQL would plan most of these statements again for each batch. A plan from a time when the table was empty
reads the whole table, until the first ANALYZE up to a minute later. Under heavy load that used a quarter of a core.
Without statistics, bitmap scans look cheaper to the planner than scans in the index's order.
What it saves: see docs/performance.md; measure again with `TUNING_OFF=planner shop bench --only cpu`.
Can be removed when: PostgreSQL makes these plans without the settings. Tests in test_tuning.py fail then.
"""

SERVER_SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}

RELAY_SETTINGS = SERVER_SETTINGS | {"enable_bitmapscan": "off"}
