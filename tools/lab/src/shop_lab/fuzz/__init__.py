"""Fuzz: events and requests that are mutated by a seed, sent to a shop of its own while ordinary orders arrive.

draft.py      a record before it is sent, as its steps change it
data.py       steps that change the data of an event by its schema
headers.py    steps that change key, headers and value, and damage the batch
mutants.py    makes the mutant of a seed and a number; a mutant is a list of steps
readers.py    the rules by which a reader must refuse a record: the contract, and what the reader says that it reads
traces.py     reads what records have left at their readers
sorting.py    sorts mutants by what became of them at each reader; a finding is what must not happen
judging.py    the oracle's verdict without the mutants' keys, and records that services published because of mutants
sending.py    sends mutants at a rate
events.py     `shop fuzz events`: orders alone, then orders and mutants, then the verdict
requests.py   `shop fuzz requests`: schemathesis over all HTTP APIs
apis.py       the APIs, the budget of each, and what schemathesis says about them
verdict.py    the limits of both commands
"""
