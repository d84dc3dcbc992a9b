"""Customers who place orders.

plans.py        which orders a run places: scenarios, products, the mix; the same seed gives the same orders
client.py       an HTTP client that repeats a request until the service answers, and writes the history
closed_loop.py  places a run's orders, of every outcome; each customer waits for an answer before the next order
open_loop.py    a process that places orders at a fixed rate, even if the shop cannot keep up
window.py       the HTTP client of open_loop.py
"""
