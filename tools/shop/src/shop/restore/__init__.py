"""One database is restored, and the other services are ahead of it: it is made whole by what they know.

A restored database has forgotten what it told others, and what others told it. Kafka has both.

1. What it told others is a fact. Its events on Kafka are written into its outbox again, as sent ones with their ids,
   and into its tables (`facts`).
2. What others told it is read again. The offsets of its group are wound back to the first event that its inbox lacks.

So no fact is published a second time under another id. docs/decisions/0050 has the reasons, and
docs/how-to/restore-a-database.md is the page of the operator.
"""
