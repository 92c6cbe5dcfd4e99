"""Faults of the system that every verb meets on purpose: the faults, and rounds of a verb with and without them (``benchmarks/faults.py``)."""
