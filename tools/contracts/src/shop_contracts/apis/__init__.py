"""Whether each HTTP API of today keeps what the last released text of its document has promised.

differ.py   the differ, oasdiff, and the changes that it reports
callers.py  the consumers that call an operation, or read a field of its answers
gate.py     every document against its last released text: `shop contracts apis`
"""
