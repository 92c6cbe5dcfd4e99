"""How a model is executed: engines, each registered in ``harness.registry.ENGINES`` and held to a stated tolerance."""

from harness.engines.contract import Engine, EngineError, default_engines, make_engine, relative_difference
from harness.engines.cuda_graph import CudaGraph
from harness.engines.eager import Eager
from harness.engines.inductor import Inductor
from harness.engines.openvino import OpenVINO

__all__ = [
    "CudaGraph",
    "Eager",
    "Engine",
    "EngineError",
    "Inductor",
    "OpenVINO",
    "default_engines",
    "make_engine",
    "relative_difference",
]
