"""Traces, logs and metrics. Every other package may import this one. It imports no other package of the chassis.

- `tracing`: an order is one trace across all services. The outbox row and the message carry its `traceparent`.
- `module`: the module that does the present work, in a process that serves several.
- `logs`: one JSON object per line on standard output.
- `metrics`: the chassis' metrics, at `/metrics`. `loop_lag` measures the event loop.
- `outages`: a process logs one line when a dependency becomes unavailable, one a minute while it is away, and one when
  it is back, for all its tasks together. `client_messages` limits the log lines of client libraries.
- `status`: the status of the relay, of the consumer and of the task that reads the issuer's keys. `/readyz` shows
  them. The errors of other tasks are only in the log.
"""
