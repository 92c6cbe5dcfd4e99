"""Killing verbs on purpose: the verbs, processes that can be killed, rounds of kills, and what is compared (``benchmarks/torture.py``)."""
