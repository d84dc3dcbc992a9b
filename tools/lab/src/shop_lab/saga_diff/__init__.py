"""`shop saga diff`: one order under both sagas, side by side.

reading.py   what a log and the contracts say: messages, hops, times, who reads what, who decides
run.py       runs a shop of each saga, one after the other, and has the oracle judge each
table.py     prints the result
"""
