"""What benchmarks and experiments share: a testbed of their own, replicas, CPU time, probes."""
