"""Reading damaged files on purpose: what is changed in real files, and every reader of the harness (``benchmarks/fuzz.py``)."""
