"""The shop in other shapes than five services."""
