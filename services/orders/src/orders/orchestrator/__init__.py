"""The orchestrated saga: orders tells each participant what to do, and keeps the progress of each order in a table.

definition.py     the saga: its steps, commands, replies, compensations and timeouts
commands.py       the commands that are sent
messages.py       the models of the events that are read: what starts an order, the replies, and what ends it
progress.py       the rules: what follows from a message; no input or output
table.py          the table `sagas`, and every query on it
steps.py          one handler per message: it changes the row and publishes the next command in one transaction
subscriptions.py  the messages and their handlers, made from the definition
jobs.py           sends a command again that was not answered in time

docs/sagas/place-order-orchestrated.md is written from the definition. `SHOP_SAGA=orchestrated` chooses it; without it
nothing of this package is used (docs/decisions/0060).
"""
