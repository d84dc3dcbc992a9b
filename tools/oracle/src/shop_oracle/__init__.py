"""The oracle: it judges from outside whether what must always hold holds.

evidence.py    what the oracle knows, as plain rows
gather.py      reads the evidence: client histories, the Kafka log, and what the next three read
databases.py   the services' tables
answers.py     the ledger, the reports
sampling.py    the spans of some orders
quiet.py       waits until no order is in progress
invariants/    the nine invariants, one a file, each a pure function from evidence to violations
replay.py      the oracle's own projections, rebuilt from the log
report.py      the verdict, as a table and as JSON
"""
