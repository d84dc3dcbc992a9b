"""Customers who place orders.

plans.py        which orders a run places: scenarios, products, the mix; the same for the same seed
client.py       an HTTP client that repeats a request until it is answered, and writes the history
closed_loop.py  places a run's orders, so many at a time, of every outcome
open_loop.py    a process that places orders by the clock, whether or not the shop keeps up
window.py       its HTTP client
"""
