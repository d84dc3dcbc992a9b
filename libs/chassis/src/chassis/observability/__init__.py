"""Traces, logs and metrics. Every other package may import this one. It imports no other package of the chassis."""
