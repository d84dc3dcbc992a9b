"""Mutants of the patterns: each patch of chaos/mutants takes one pattern away, and the tests that it names must fail.

`catalogue` reads the mutants. `tree` copies the working tree and patches the copy, so the working tree never changes.
`testing` runs tests in the copy, `results` is the pytest plugin by which they report. `verdicts` judges. `running` does
all of it.
"""
