"""Reads what a running shop leaves behind, without a trace of its own."""
