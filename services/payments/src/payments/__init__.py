"""Payments: one charge per order once both facts are in, and the way back when the order is cancelled."""
