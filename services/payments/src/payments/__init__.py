"""Payments: one charge per order that was placed and has its stock, and a refund if the order is cancelled."""
