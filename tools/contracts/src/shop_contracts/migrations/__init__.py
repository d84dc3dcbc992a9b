"""New migrations of a service: the previous release must be able to run on the tables that they leave.

scripts.py   the migrations of a service as files, those that are new, their reviewed exceptions
offline.py   their SQL, written by `alembic upgrade head --sql`
sql.py       SQL as statements and words
columns.py   one column of a statement: its type, NOT NULL, its default
tables.py    the tables, columns and constraints that statements leave
guard.py     what a statement takes from a release that knows the tables as they were
altered.py   the same for each action of ALTER TABLE
rules.py     the rules, with their reasons and cures
squawk.py    squawk's findings: locks, rewrites, types
check.py     the verdict on each service
"""
