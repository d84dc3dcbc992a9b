"""New migrations of a service: the previous release must be able to run on the tables that they leave.

scripts.py   the new migrations as files and as SQL, those that were edited, their reviewed exceptions
catalog.py   runs their SQL in a scratch database, and reads its catalog (catalog.sql)
breaks.py    the rules: what the previous release lacks in the new catalog, with reasons and cures
squawk.py    squawk's findings in their SQL: locks, rewrites
check.py     the verdict on each service
"""
