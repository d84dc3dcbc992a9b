"""Blind drills: one fault of the catalogue is injected into the running shop, and an operator finds and cures it.

menu.py        the faults of a drill: the part, the cause, and whether each is still in force
record.py      the files of a drill, encoded so that a casual look does not show the fault
looks.py       the time of the first diagnostic command
background.py  the process that places orders meanwhile and watches the parts
marks.py       what a cure must not destroy: data, and processes that are healthy
judging.py     the verdict, by orders, cents and marks
drill.py       start, answer, hint, stop
"""
