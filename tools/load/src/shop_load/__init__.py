"""Customers who place orders of every outcome, and the history of what they were told."""
