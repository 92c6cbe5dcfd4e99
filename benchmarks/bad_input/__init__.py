"""The bad inputs of the first attempts to break the command line, item by item (``benchmarks/bad_inputs.py``)."""
