"""The microservice chassis: the library that all services share. It has no code for one particular event of a
service.

The `main.py` of a service passes its routes, subscriptions and jobs to `build_service`. These packages do the work:

| package         | contents                                                                       |
|-----------------|--------------------------------------------------------------------------------|
| `events`        | event models, the CloudEvents envelope, causes, money                          |
| `postgres`      | connections and statements; migrations                                         |
| `outbox`        | transactions that publish; the relay that sends their events                   |
| `inbox`         | handles each event once, in the order of its key; dead letters                 |
| `kafka`         | the consumer, the publisher, the check of topics' retention                    |
| `local`         | the other transport: modules of one database read each other's outboxes        |
| `jobs`          | work at a fixed interval, or after a transaction that calls `tx.wake`          |
| `web`           | problem details, idempotency keys, cursors, load shedding; probes, admin API   |
| `observability` | traces, logs, metrics                                                          |
| `tuning`        | changes for speed, and guards against faults of libraries                      |

A change and its outbox rows are in one transaction. An endpoint, the inbox or a job commits it. A handler never
commits. The relay sends the rows to Kafka. The consumer of another service passes the messages to its inbox. The inbox
commits the effect, the inbox rows and new outbox rows in one transaction. After that the consumer commits the offsets.

These modules join the packages:

| module       | contents                                                                            |
|--------------|-------------------------------------------------------------------------------------|
| `group`      | serves several modules (services that share a process and a database)               |
| `transports` | builds the relay, the consumer and the reader of topics in the database             |
| `bridge`     | sends the outboxes of a shop without Kafka to Kafka, when a module leaves it        |
| `replaying`  | reads topics from their beginning, for rebuilds                                     |
| `service`    | `build_service`: builds one service from the parts that its `main.py` names         |
| `startup`    | sets the log, the spans and the metrics of a process when its service is built      |
| `runtime`    | starts the consumer, the relay and the jobs of a process, and stops them at its end |
| `server`     | `serve`: answers HTTP at the ports of its role until SIGTERM, then shuts down       |
| `handover`   | gives the listening sockets to the process that replaces this one                   |
| `supervisor` | starts a background task again after an error                                       |
| `settings`   | the environment variables of every service                                          |
| `passwords`  | passwords in files, which are read at each login                                    |
| `errors`     | which errors mean that a dependency is unavailable                                  |
| `backoff`    | pauses between retries                                                              |

Graceful shutdown. On SIGTERM a process ends in this order:

1. Readiness: `/readyz` answers 503. The management port accepts connections until step 6. But if a successor has taken
   the listening sockets (`handover`), the successor alone accepts connections at this port from now on.
2. HTTP, except in a `worker`: from SIGTERM on each answer says `Connection: close`. The public port accepts connections
   for HTTP_ANNOUNCE_CLOSE_SECONDS (0, on Kubernetes 6), then no more. Connections that wait in the accept queue are
   accepted, unless the successor has accepted them. A connection without a request has 0.5 s to send one. Then
   requests in progress have up to 4 s, and are cancelled after that. Consumer, relay and jobs run meanwhile.
3. Consumer: it has up to 4 s to finish its batch, commit its offsets and leave its group. A static member
   (KAFKA_GROUP_INSTANCE_ID) stays in its group, so that it gets the same partitions if it starts again within the
   session timeout.
4. All tasks are cancelled, and the process waits until they have ended. A task that has not ended after 1 s is
   cancelled again.

   - Relay: it has 1 s to save its positions and release its leases.
   - Queues of intents: they record the results that have arrived, and make the other claimed intents due at once. An
     intent whose result is not recorded is due when its lease ends.
   - A consumer that needed longer than its 4 s: its batch is rolled back, and Kafka delivers it again. It still tries
     to commit the offsets of earlier batches and to leave its group.

5. Clients are closed: those of outside systems, then the two publishers (one for pages of the relay, one for rows that
   were set aside). A publisher does not send the records in its buffer (`tuning.stop_without_flush`). Records that it
   has sent already may be in Kafka. Then the connections to the database are closed. The last spans are sent, within
   2 s.
6. Management: its port accepts no new connections, and has 1 s for requests in progress.

A shutdown usually takes less than 10 s. If the database and Kafka do not answer, it takes up to about 25 s. Outbox rows
that are not sent yet are sent by the relay of another process, or of the next start. On Kubernetes it takes
an API pod 6 s longer: proxies still send for a moment, and clients may use connections that they keep.

Imports run one way: a module imports only from the lines below its own (`.importlinter` enforces it).

    group
    server
    service
    startup, transports, replaying, bridge
    runtime, tuning, handover
    web, kafka, local, jobs
    inbox
    outbox
    postgres, events
    supervisor
    observability
    settings
    errors, backoff, passwords
"""
