"""The colours of services in a terminal, in a module of its own: the readers of spans take long to import."""

COLOURS = {
    "orders": "cyan",
    "inventory": "yellow",
    "payments": "magenta",
    "notifications": "green",
    "analytics": "blue",
}
"""Service → its colour in a terminal."""
