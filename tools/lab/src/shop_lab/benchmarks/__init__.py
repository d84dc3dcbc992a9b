"""`shop bench`: what an order costs, as ratios to what PostgreSQL and Kafka cost by themselves, in one run.

testbed.py      the stack that everything is measured on
cpu.py        whose CPU it was
customers.py  the load, a process of its own
trial.py      one measured run of orders through the shop
baseline.py      the same rows and the same bytes without the shop
figures/      what is measured: one figure, one file
plan.py       their order, and what is repeated
table.py, page.py  the result for people
"""
