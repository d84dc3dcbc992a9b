"""`shop compare`: the same services in each shape of the shop, measured side by side in one run.

figures.py     the values that are measured: name, title, unit, and the figure that each belongs to
plan.py        which shapes and figures, and how much work
run.py         starts the shapes in turn, round by round, and has the oracle judge each run
measuring.py   one shape under load, and at rest
hops.py        one hop from service to service: a call, a request, an event
counting.py    deployables, processes, databases and pipelines, counted
window.py      orders that arrive while something is broken, and what became of them
partition.py   Kafka or a database that cannot be reached
blast.py       a fault in one service, and the orders that end all the same; child/ is what breaks the service
report.py      medians with their spread, of the runs that count
table.py       the report on a terminal and as Markdown
page.py        the report as HTML; drawing.py has its charts
"""
