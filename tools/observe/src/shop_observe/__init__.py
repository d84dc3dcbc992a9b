"""Reads what a running shop leaves behind.

topics.py     the topics that are declared
kafka_log.py  every message of every topic, read without a consumer group
traces.py     the spans that the receiver kept, joined to an order's trace
timeline.py   an order's events, each with its cause
history.py    what an HTTP client asked and was answered
"""
