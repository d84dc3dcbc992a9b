"""`shop bench`: what an order costs, as ratios to the cost of PostgreSQL and Kafka alone, measured in the same run.

figure.py              the definition of a figure; figures/ has one file for each
benchmark.py           shared by all figures: the testbed, the amount of work, the loaded runs
plan.py                which figures are measured, in which order, and the report
baseline.py            the same rows and messages without the shop; pgbench.py runs its SQL
latency_breakdown.py   the latency of an order by stage, from its request to its confirmation
from_outside.py        measurements of a shop that runs elsewhere
table.py, page.py      the report on a terminal and as HTML; charts.py draws
"""
