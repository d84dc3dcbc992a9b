"""The oracle: it checks from outside whether the nine invariants of the shop hold.

evidence.py    the data that the oracle judges, as plain rows
gather.py      reads the client histories and the Kafka log; the next three modules read the rest
databases.py   the services' tables
answers.py     the ledger, the reports
sampling.py    the spans of some orders
quiet.py       waits until no order is in progress
invariants/    the nine invariants, one a file, each a pure function from evidence to violations
replay.py      the oracle's own projections, rebuilt from the log
report.py      the verdict, as a table and as JSON
"""
