"""Analytics: reports over the events of all services. An operator can have them rebuilt from offset 0."""
