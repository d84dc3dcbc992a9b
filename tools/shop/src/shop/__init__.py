"""The `shop` command: it runs, watches and judges Shopfloor on this machine."""
