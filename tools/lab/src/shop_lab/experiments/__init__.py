"""`shop prove`: what the chassis promises, tried under load on a stack of its own, with a verdict.

outcome.py   what an experiment found, held against what must be
experiment.py  what every experiment is given: a testbed, callbacks for its progress, the oracle
business.py  customers of every kind, for as long as an experiment lasts
churn.py     replicas that come, go and crash
stalls.py, takeover.py, memory.py, duplicates.py, visitors.py  what is measured, one thing each

foreign_inputs/, foreign_orders.py, foreign_signs.py  what `foreign` gives to the shop, and what came of it

replicas.py, rebalances.py, open_transaction.py, overload.py, shutdown.py, republish.py, foreign.py  the experiments
"""
