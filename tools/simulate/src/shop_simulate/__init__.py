"""Schedules by seed: the handlers of all services in one process, on real PostgreSQL, without Kafka.

A schedule is a list of choices. The scheduler owns the clock, the transport and the randomness, and runs one
transaction at a time. The oracle judges the databases and the simulated log at the end of each schedule.
"""
