"""Payments: one charge per order, after order and stock are known, and the refund if the order is cancelled."""
