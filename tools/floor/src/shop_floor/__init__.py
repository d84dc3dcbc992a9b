"""Shows a running shop in the browser (`shop floor`).

memory.py    the newest orders and records, within a limit of bytes; everything older is a count
log.py       the records of Kafka: the newest ones and those that arrive; all of one order
looks.py     what is asked again and again: health, versions, dead letters, how far each reader is behind
floor.py     runs both while a page is open, and tells the pages
saga.py      the steps that are still to come for one order
story.py     one order as the page shows it; mermaid.py writes it as a diagram
guard.py     who may open a page, and who may act
app.py       the addresses of the server; acts.py has those that change something
lasting.py   the addresses of work that takes long: traces, the comparison of releases, drills
jobs.py      how such work goes on while pages come and go
"""
