"""Traces, logs and metrics. Every other room may use this one; it uses none of them."""
