"""Tables of the tests, which are items here too: each call stands in one place."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parents[2] / "tests"


def loaded(name: str) -> ModuleType:
    """A module of ``tests/reliability`` by its file."""
    if name in sys.modules:
        return sys.modules[name]
    sys.path[:0] = [str(TESTS / "reliability"), str(TESTS / "segment")]
    spec = importlib.util.spec_from_file_location(name, TESTS / "reliability" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Before it is executed: its dataclasses look for their module.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
