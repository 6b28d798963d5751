"""Measurements that are no tests: `python -m tests.bench NAME` prints a table."""
