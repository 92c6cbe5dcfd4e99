"""The guide docs/add-a-model.md works as written, in a scratch folder outside the tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "add-a-model.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


CONFIGS = {"smallnet_config": "SmallNet", "mean_config": "RunningMean"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's files, written where a reader would write them; the model with memory goes into the same file."""
    model, config, memory = BLOCKS
    tmp_path = tmp_path_factory.mktemp("reader")
    (tmp_path / "smallnet.py").write_text(f"{model}\n\n{memory}", encoding="utf-8")
    (tmp_path / "smallnet_config.py").write_text(config, encoding="utf-8")
    (tmp_path / "mean_config.py").write_text(
        config.replace("SmallNet", "RunningMean").replace(", width=16", "").replace(", width=64", ""), encoding="utf-8"
    )
    return tmp_path


@pytest.fixture(scope="module")
def printed(package: Path) -> list[str]:
    """Lines of one program of its own, so that nothing is registered in this one: the resolver's, then one a config."""
    code = f"""
import torch
from harness import config
from harness.experiments.models import choose_model
from harness.registry import MODELS
for name in {list(CONFIGS)}:
    loaded = config.load("models", {str(package)!r} + "/" + name + ".py")
    model = MODELS.build(loaded.sizes.small.to_dict() | dict(num_structures=3))
    output = model.forward_train(torch.rand(2, 3, 1, 50, 70))
    output.logits.mean().backward()
    print(loaded.label, type(model).__name__, tuple(output.logits.shape), all(p.grad is not None for p in model.parameters()))
choice = choose_model({str(package / "smallnet_config.py")!r}, "paper")
print(choice.name, choice.label, choice.build)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_at_a_path_builds_its_model_which_segments_and_trains(printed: list[str], name: str) -> None:
    assert printed[list(CONFIGS).index(name)] == f"{CONFIGS[name]} {CONFIGS[name]} (2, 3, 4, 50, 70) True"


def test_the_command_line_s_resolver_takes_the_path(printed: list[str]) -> None:
    # A class loaded by path is registered under its folder as well: two folders may hold a SmallNet each.
    pattern = r"smallnet_config SmallNet \{'type': 'SmallNet@[0-9a-f]+', 'width': 64\}"
    assert re.fullmatch(pattern, printed[-1])


@pytest.mark.slow
def test_the_contract_tests_look_at_models_outside_the_tree(package: Path) -> None:
    paths = ",".join(str(package / f"{name}.py") for name in CONFIGS)
    only = ("tests/contracts/test_models.py", "-k", " or ".join(CONFIGS))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rp", "-p", "no:cacheprovider", *only],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ECHOBENCH_MODELS": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    assert all(sum(f"{name}.py]" in line for line in passed) >= 20 for name in CONFIGS), done.stdout[-500:]


def test_the_tree_is_not_touched(package: Path) -> None:
    assert not list((ROOT / "harness" / "configs").rglob("smallnet*"))
    assert "SmallNet" not in (ROOT / "baselines" / "__init__.py").read_text(encoding="utf-8")
