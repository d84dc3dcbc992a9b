"""A package, so that its shop can be stopped after its last test."""
