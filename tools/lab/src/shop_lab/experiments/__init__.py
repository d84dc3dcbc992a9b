"""Experiments of `shop chaos run` that test the promises of the chassis under load, each with a verdict.

replicas.py, rebalances.py, open_transaction.py, overload.py, shutdown.py, republish.py, foreign.py  the experiments

experiment.py  the input of every experiment: a testbed, callbacks for its progress, the oracle
outcome.py     measured numbers with their limits, and the oracle's verdict
background_orders.py    orders of every outcome for as long as an experiment lasts
churn.py       starts, stops and crashes replicas
stalls.py, takeover.py, memory.py, duplicates.py, clients.py  measurements, one per file
foreign_inputs/, foreign_orders.py, foreign_signs.py  inputs of `foreign`, and their effects
"""
