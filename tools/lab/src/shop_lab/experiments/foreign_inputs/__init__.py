"""Foreign inputs for the experiment `foreign`. They are sent on this machine only.

batches.py    record batches in Kafka's format, byte by byte, and a producer that sends any bytes
events.py     valid events, made from the contracts' examples; the foreign records are made from them
records.py    records that are not events of the shop, each with one fault
requests.py   HTTP requests with one fault each, and orders with cards that the processor does not simply charge
silence.py    connections that send half a request and nothing more
servers.py    faults of PostgreSQL and of topics, each undone at its end
input.py      the definition of an input: name, kind, function, and the test whether it had an effect
sending.py    sends records to topics
catalogue.py  the table of all inputs
generator.py  gives each input at a fixed interval until the time is over
"""
