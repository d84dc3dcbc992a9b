"""Whether one release of one service can be deployed, while all others stay as they are.

running.py    which release of each service runs, by its own answer
pairs.py      the pairs of releases that meet, one as consumer and one as provider
verifying.py  one pair is verified by the provider's own tests, and the outcome is kept
shapes.py     the shape of a message, so that of a million equal ones one is read
stored.py     the messages in topics, outboxes and open dead letters, one of each shape
scanned.py    the log is read once, and the next answer reads on from there
tables.py     outboxes and dead letters, in the databases
unknown.py    event types that are sent, and that a reader of the topic does not know
resolving.py  the release that a running service is
findings.py   the report of the tests, as sentences
rows.py       findings and outcomes, as rows
workplace.py  a folder in which a provider's tests see the files of the asked consumers alone
kept.py       outcomes, by the hash of what was compared
decoding.py   the release's own decoder reads messages (decoder.py runs in its environment)
matrix.py     rows, the sentence, and both as JSON
question.py   all of it together
"""
