"""Notifications: tells the customer how the order ended, once per order and outcome."""
