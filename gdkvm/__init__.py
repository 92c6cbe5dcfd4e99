"""Models of the benchmark, registered in harness.registry.MODELS."""
