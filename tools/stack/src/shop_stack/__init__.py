"""How a shop is run on one machine, without containers."""
