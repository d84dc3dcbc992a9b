"""Faults as data, and the runner of experiments: it injects them, watches the invariants, and gives a verdict.

catalogue.py       the faults and experiments of chaos/, read and checked
system.py          the shop that is disturbed
injectors/         how each fault is injected, seen to have an effect, and undone
holding.py         a process that holds something open while a fault lasts
open_faults.py     the faults that are in force now, on disk: a later process can undo them
activities.py      the actions and probes that experiment files name
run_record.py      what the activities of one run have seen
runner.py          one experiment, carried out by Chaos Toolkit
matrix.py          several experiments, one after the other
verdict.py         holds, violated, vacuous or not run
report.py          a table, JSON, JUnit and HTML
"""
