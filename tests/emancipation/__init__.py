"""One module goes out of a running monolith, and back."""
