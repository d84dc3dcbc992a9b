"""The pages of docs/reference: what each service sends, receives and answers, and who reads what.

`make docs` writes them from the committed files of contracts/ before it builds the site. They are in no commit.

pages.py     the pages, and the page of one service
events.py    the sections of events
routes.py    the sections of HTTP routes
markdown.py  tables, cells, types in words
"""
