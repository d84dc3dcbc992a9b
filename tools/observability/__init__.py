"""The rules of Prometheus and the dashboards of Grafana, rendered from deploy/observability: `make rules`.

metrics_page.py  reads docs/reference/metrics.md: which metrics there are, and which service has them
queries.py       reads a query of Prometheus: its metrics and labels, and what is wrong with them
objectives.py    rules of the objectives: recorded error ratios, and alerts by burn rate
dashboards.py    dashboards, and what can be wrong with one
render.py        all rules of a scale, and the files that are written
"""
