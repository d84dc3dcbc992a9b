"""Whether each event of today can be read by every reader of a text that was released.

changes.py  the places where a schema promises less than a released text of it, each with the rule
objects.py  the objects of a schema, each with its place
required.py the properties that became required while messages without them exist
gate.py     every event against all its released texts, with the consumers that read the place

The direction is that of contracts/README.md: a reader that was made for a released text accepts each message of today.
"""
