"""Reads the data that a running shop leaves behind.

topics.py     the topics that are declared
kafka_log.py  every message of every topic, read without a consumer group
traces.py     the spans that the receiver stored, joined to an order's trace
trace_links.py   the address of a trace in Jaeger
timeline.py   an order's events, each with its cause
history.py    the requests of an HTTP client and their answers
"""
