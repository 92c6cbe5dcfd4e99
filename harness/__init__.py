"""echobench: train, measure and compare echocardiography video segmentation models on identical pipelines."""

__version__ = "0.1.0"
