"""Runs Shopfloor on one machine without containers, and connects to it where it runs elsewhere.

target.py                  the addresses of a running shop: HTTP, Kafka, databases, spans
connect.py                 the target that SHOP_TARGET names: embedded.py, compose.py, kubernetes.py
outside.py                 functions that compose.py and kubernetes.py share
embedded.py, parts.py      a whole stack of processes: start, stop, kill, status
deployments.py, handover.py   a release of one service, deployed while the shop runs; deployed.py records it
compose_deployments.py, kubernetes_deployments.py   the same in containers and on a cluster
kafka_groups.py            removes a static member from its consumer group
servers.py, containers.py  PostgreSQL and Kafka alone, for tests
postgres.py, kafka.py, classpath.py, topics.py, process.py, venvs.py   how each part is made and run
kafka_access.py, kafka_security.py   a login at the broker; its listeners and its authorizer
rights.py, kafka_users.py, rights_trials.py   who may do what in Kafka: derived, created, tried
certificates.py            the CA and the broker's certificate of a shop in containers
password_files.py          the files with passwords of a shop in containers
ports.py, paths.py, stack_files.py, passwords.py, checks.py   ports, folders, files and checks of a stack
otlp_receiver.py           the part `spans`; otlp_forward.py sends them on to another store
module_databases.py, local_topics.py   one database for several services; role_limits.py cuts one off from its own
admin.py                   the admin API of the services
errors.py                  UserError: one sentence that says what to do
"""
