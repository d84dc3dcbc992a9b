"""Inputs that do not belong to the shop, for `shop prove foreign`. Everything stays on this machine.

batches.py    record batches in Kafka's format, byte by byte, and a producer that refuses nothing
events.py     a record as the contracts want it, from their examples: what the others are made of
records.py    records that are no events of the shop, each with one fault
requests.py   HTTP requests with one fault each, and cards that the processor makes trouble with
silence.py    connections that send half a request and nothing more
servers.py    faults of PostgreSQL and of topics, each undone at its end
input.py      what an input is: a name, a kind, a function, and how it is known to have bitten
sending.py    how records are put on topics
catalogue.py  the table of all inputs
generator.py  gives each input by the clock until the time is over
"""
