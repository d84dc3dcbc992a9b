"""The sandbox card processor: an outside system for the payments service to practise on."""
