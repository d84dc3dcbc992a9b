"""`shop skew`: two releases of a service, beside two releases of all others, under load.

pairs.py   the two releases of each service: N−1 and N
cells.py   one question, its counts, and its verdict: green, red or vacuous
counts.py  counts the messages that crossed from one release to the other
losses.py  the orders that failed, were lost or doubled, and that were not before
report.py  the table and the JSON of a run
page.py    the same as one HTML file
schema.py  the migration head of a database, and that of a release
run.py     carries the cells out on one stack
"""
