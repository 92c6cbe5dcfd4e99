"""Every model, perturbation and engine on a GPU that is not there: nothing of another device, no hidden waiting."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fake_gpu
from cases import MODEL_NAMES, names
from planted import FAULTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(fake_gpu.missing() is not None, reason=str(fake_gpu.missing())),
]
OTHER_DEVICE, WAITING = "FakeTensorDeviceMismatchError", ("DataDependentOutputException", "DynamicOutputShapeException")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """All cases, run once in a process of their own: the device stays registered as long as a process lives."""
    script = str(Path(__file__).with_name("cases.py"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {outcome["case"]: outcome for outcome in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", names())
def test_all_of_it_happens_on_the_device_and_nobody_waits(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes[name]["error"] == ""
    assert outcomes[name]["devices"] == ([] if name == "predictor" else [fake_gpu.GPU])


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_training_has_no_operator_that_cuda_adds_up_in_any_order(
    name: str, outcomes: dict[str, dict[str, Any]]
) -> None:
    """But one, which torch replaces by ordered ones on CUDA while deterministic kernels are asked for (functional.interpolate)."""
    assert set(outcomes[f"train:{name}"]["unordered"]) <= {"upsample_bilinear2d_backward"}


def test_such_an_operator_would_be_noticed(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["unordered"]["unordered"] == ["grid_sampler_2d_backward"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    error = outcomes[f"fault:{name}"]["error"]
    assert error.startswith(WAITING if name in ("item", "branch", "mask") else OTHER_DEVICE), error


def test_no_registered_model_is_left_out() -> None:
    assert {"gdkvm", "unet", "transunet", "stm", "xmem"} <= set(MODEL_NAMES)
    assert {f"train:{name}" for name in MODEL_NAMES} <= set(names())
