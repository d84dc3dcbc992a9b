"""Traces, logs and metrics. Every other room may import this one. It imports no other room."""
