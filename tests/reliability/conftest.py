"""A results store with one finished run of a tiny U-Net, made by hand: nothing is trained."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.registry import MODELS, load_plugins
from harness.store.runs import Run, RunSpec, RunStore

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from fuzzing.reader import unet_spec


def make_finished(root: Path) -> Run:
    """A finished run in a new store, with the weights that its model begins with."""
    load_plugins()
    spec = unet_spec()
    run = RunStore(root).open(spec)
    (run.path / "checkpoints").mkdir()
    torch.save(
        {"model": MODELS.build(spec.model["build"]).state_dict(), "iteration": 1, "score": 0.5},
        run.path / "checkpoints" / "best.pth",
    )
    run.finish(best_iteration=1)
    return run


@pytest.fixture(scope="session")
def finished_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copied by ``store``; nobody writes here."""
    return make_finished(tmp_path_factory.mktemp("finished") / "runs").store.root


@pytest.fixture
def store(tmp_path: Path, finished_store: Path) -> RunStore:
    """A store of one's own with that run."""
    return RunStore(shutil.copytree(finished_store, tmp_path / "runs"))


@pytest.fixture
def finished(store: RunStore) -> Run:
    """Its run."""
    return store.all()[0]


@pytest.fixture
def rewritten() -> Callable[..., Run]:
    """``rewritten(run, model=..., ...)``: the run's folder with another spec, named as that spec is (so that it is read)."""

    def rewrite(run: Run, **changes: Any) -> Run:
        record = json.loads((run.path / "run.json").read_text())
        for key, value in changes.items():
            record["spec"][key] = {**record["spec"][key], **value} if isinstance(value, dict) else value
        spec = RunSpec(**record["spec"])
        record |= {"name": spec.folder, "identity": spec.identity}
        folder = run.store.root / spec.folder
        shutil.copytree(run.path, folder)
        (folder / "run.json").write_text(json.dumps(record))
        return run.store.get(spec.folder)

    return rewrite
