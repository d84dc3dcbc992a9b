"""Takes one module out of a running monolith into a service of its own, and puts it back (docs/decisions/0063).

    outcome = await run.emancipate(stack, "payments")
    outcome = await run.emancipate(stack, "payments", back=True)

| module         | what it knows                                                                            |
|----------------|------------------------------------------------------------------------------------------|
| `run.py`       | the order of the steps, and how an interrupted move is finished or undone                |
| `plan.py`      | which move is asked for, and which are refused                                           |
| `journal.py`   | the file that says how far a move has come                                               |
| `steps.py`     | the steps of both directions                                                             |
| `databases.py` | where the tables of a module are in a shape; how a database is made, renamed and dropped |
| `copying.py`   | the rows of a module, from one schema to another                                         |
| `bridge.py`    | the program that sends outboxes to Kafka while no relay does                             |
| `marks.py`     | points that both transports know: a snapshot of PostgreSQL, and offsets in Kafka         |
| `reading.py`   | from where each reader goes on: offsets of its group, or positions in its schema         |
| `processes.py` | the processes of both shapes, and the sockets that are kept between them                 |
"""
