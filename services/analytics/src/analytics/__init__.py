"""Analytics: the read side. Reports over what all services publish, rebuilt from offset 0 on demand."""
