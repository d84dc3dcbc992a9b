"""Analytics: reports about the events of all services. An operator can rebuild them from the topics."""
