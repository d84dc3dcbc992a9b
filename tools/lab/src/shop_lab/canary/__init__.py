"""`shop canary`: a release of a service on trial, in one more process beside the running one.

judgement.py   compares the canary's keys with the others', and decides
keys.py        which orders and partitions are the canary's
process.py     the process of the canary
observing.py   reads dead letters, retries, saga ages and violations, for the canary's keys and the others'
run.py         starts the canary, watches it, and promotes or withdraws it
"""
