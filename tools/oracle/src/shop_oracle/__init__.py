"""The oracle: it judges from outside whether what must always hold holds.

evidence.py    what the oracle knows, as plain rows
gather.py      reads the evidence: client histories, databases, the Kafka log, the ledger, reports, spans
quiet.py       waits until no order is in progress
invariants.py  the nine invariants, each a pure function from evidence to violations
replay.py      the oracle's own projections, rebuilt from the log
report.py      the verdict, as a table and as JSON
"""
