"""Whether one service can be deployed alone: what its contracts promise, and who relies on which part of them.

compatibility/  compares each schema with all of its released texts (`shop contracts check`)
releases/       what a release is, and the code of a release as a folder (`shop release`)
readers.py      who reads an event, or a field of it (`shop who-reads`)
answer/         the matrix and the sentence of `shop can-i-deploy`
"""
