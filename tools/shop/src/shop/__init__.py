"""The `shop` command: the stack, the demo, the oracle and what tests need."""
