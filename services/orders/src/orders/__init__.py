"""Orders: accepts orders at once, and brings each of them into exactly one final state."""
