"""The oracle: what must hold, always, judged from outside.

evidence.py    what the oracle knows, as plain rows
gather.py      reads it: client histories, database dumps, the Kafka log, ledger, reports, spans
quiet.py       waits until the shop has come to rest
invariants.py  the nine invariants, each a pure function from evidence to violations
replay.py      the oracle's own projections, rebuilt from the log
report.py      the verdict, for people and for machines
history.py     what an HTTP client was told, as it was told
"""
