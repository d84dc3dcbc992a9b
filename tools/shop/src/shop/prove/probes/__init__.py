"""Programs that run in a service's environment, on the chassis' own classes; see shop.bench.programs."""
