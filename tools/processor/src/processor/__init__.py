"""The sandbox card processor: an outside system that the payments service calls."""
