"""echobench: train, measure and compare echocardiography video segmentation models on identical pipelines.

The public names; each is imported when it is first used, so that ``import harness`` itself costs nothing:

==================  ====================================================================================
``bench``           train, measure and compare models on one dataset
``load_dataset``    check and prepare a dataset
``load_run``        a run of the store: its record, rows and profile
``load_model``      the trained model of a run
``evaluate``        rows of a model or run on a dataset
``score``           rows of masks that were made elsewhere
``compare``         which of two runs or models is better, in words and numbers
``Store``           the folder in which runs are kept
``VideoSegmenter``  what a model is
``MODELS``          the registry of model classes
==================  ====================================================================================

Example:
    >>> import harness
    >>> "bench" in dir(harness)
    True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.benching import bench
    from harness.api.comparing import compare
    from harness.api.loading import load_dataset, load_model, load_run
    from harness.api.scoring import evaluate, score
    from harness.modeling.contract import VideoSegmenter
    from harness.registry import MODELS
    from harness.store.runs import RunStore as Store

__version__ = "0.1.0"

__all__ = [
    "MODELS",
    "Store",
    "VideoSegmenter",
    "bench",
    "compare",
    "evaluate",
    "load_dataset",
    "load_model",
    "load_run",
    "score",
]

_OWNERS = {
    "MODELS": "harness.registry:MODELS",
    "Store": "harness.store.runs:RunStore",
    "VideoSegmenter": "harness.modeling.contract:VideoSegmenter",
    "bench": "harness.api.benching:bench",
    "compare": "harness.api.comparing:compare",
    "evaluate": "harness.api.scoring:evaluate",
    "load_dataset": "harness.api.loading:load_dataset",
    "load_model": "harness.api.loading:load_model",
    "load_run": "harness.api.loading:load_run",
    "score": "harness.api.scoring:score",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _OWNERS:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    module, _, attribute = _OWNERS[name].partition(":")
    value = getattr(importlib.import_module(module), attribute)
    if name == "MODELS":  # whoever asks for the registry wants the models in it
        importlib.import_module("harness.registry").load_plugins()
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
