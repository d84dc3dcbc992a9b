"""Notifications: one message to the customer per order and outcome."""
