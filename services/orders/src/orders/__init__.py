"""Orders: takes orders at once, and ends each of them exactly once."""
