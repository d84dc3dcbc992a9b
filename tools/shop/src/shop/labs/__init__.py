"""The labs of docs/labs: pages to follow by hand, each with a check that says what is missing.

pages.py     a lab is a page with front matter; list them, find one
evidence.py  what a check looks at: the orders since the start, and the parts that run
database.py  a connection to the database of a service
parts.py     the identity of each process, container or pod, by target
checks.py    the checks that a front matter can name
clone.py     the clone in which a lab changes services
shipping.py  releases in git, what runs of them, the events and columns since the start
shipped.py   the checks that look at these
faulty.py    the checks of labs that inject faults
reports.py   the verdicts of experiments and drills since the start
progress.py  which labs were started and passed, kept in the stack's folder
judge.py     one lab, judged
"""
