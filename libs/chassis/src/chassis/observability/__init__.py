"""Traces, logs and metrics. Every other package may import this one. It imports no other package of the chassis.

- `tracing`: an order is one trace across all services. The outbox row and the message carry its `traceparent`.
- `logs`: one JSON object per line on standard output.
- `metrics`: the chassis' metrics, at `/metrics`.
- `outages`: one log line when a dependency becomes unavailable, one per minute, and one when it is back, per process
  and not per task. `client_messages` limits the log lines of client libraries.
- `status`: the status of each task of this process. `/readyz` shows it.
"""
