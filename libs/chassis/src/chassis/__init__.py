"""The microservice chassis: mechanism only. It names no service, no event and no topic.

The `main.py` of a service names its parts, and `build_service` puts the rooms together:

| room            | what it holds                                                                  |
|-----------------|--------------------------------------------------------------------------------|
| `events`        | event models, the CloudEvents envelope, causes, money                          |
| `postgres`      | connections and statements; migrations                                         |
| `outbox`        | transactions that publish; the relay that sends their events                   |
| `inbox`         | handles each event once, in the order of its key; dead letters                 |
| `kafka`         | the consumer, the publisher, the check of topics                               |
| `jobs`          | work that runs by the clock, or when a transaction wakes it                    |
| `web`           | problem details, idempotency keys, pages, load shedding, probes, the admin API |
| `observability` | traces, logs, metrics                                                          |
| `tuning`        | shortcuts for speed and workarounds for libraries; each can be switched off    |

Imports run one way: `service` → `web`, `kafka`, `jobs` → `inbox` → `outbox` → `postgres`, `events`. All may import
`observability`, `settings`, `errors` and `backoff`; `tuning` is imported by `service` and `server` alone.
"""
