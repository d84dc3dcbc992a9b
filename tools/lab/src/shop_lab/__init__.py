"""Benchmarks, experiments, trials of releases, and the modules that they use.

skew/            two releases of a service together (`shop skew`)
canary/          a release on trial beside the running one (`shop canary`)

testbed.py       a fresh stack for measurements
replicas.py      more processes of each service
trial.py         one measured run of orders through the shop
cpu.py           CPU time, process by process
scratch.py       databases and topics for one measurement
values.py        a measured number with its limits
samples.py       percentiles
probe_runner.py  runs a program of probes/ in the environment of a service
"""
