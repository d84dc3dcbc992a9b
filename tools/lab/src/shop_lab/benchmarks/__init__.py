"""`shop bench`: what an order costs, as ratios to what PostgreSQL and Kafka cost by themselves, in one run.

figure.py              what a figure is; figures/ has one file for each
benchmark.py           what all figures share: the testbed, how much to do, the loaded runs
plan.py                which figures are measured, in which order, and the report
baseline.py            the same rows and the same bytes without the shop; pgbench.py runs its SQL
latency_breakdown.py   where an order's time goes, between its request and its confirmation
from_outside.py        what can be measured of a shop that runs elsewhere
table.py, page.py      the report on a terminal and as HTML; charts.py draws
"""
