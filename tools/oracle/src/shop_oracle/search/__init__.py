"""Searches a running shop for texts that must be nowhere, such as the name of an erased customer."""
