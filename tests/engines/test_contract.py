"""Choosing an engine, what an engine promises, and how bytes and differences are counted."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch
from torch import Tensor, nn

from harness.engines import EngineError, contract, default_engines, make_engine, relative_difference
from harness.engines.contract import weight_bytes
from harness.engines.openvino import _silence
from harness.errors import ConfigError
from harness.modeling import PerFrameSegmenter
from harness.registry import list_engines


class Doubling(PerFrameSegmenter):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)

    def segment(self, images: Tensor) -> Tensor:
        return self.conv(images)


FRAMES = torch.rand(1, 2, 1, 16, 16)


def test_the_four_engines_of_the_harness_are_registered() -> None:
    assert {"eager", "compile", "cuda_graph", "openvino"} <= set(list_engines())


def test_an_unknown_engine_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="Unknown engine 'eagre'"):
        make_engine("eagre")


def test_native_has_a_sentence_where_its_distribution_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "list_engines", lambda: ["eager"])
    assert default_engines("cpu") == ("eager",)
    with pytest.raises(EngineError, match=r"native is not installed; it is the distribution echobench-kernels"):
        make_engine("native")


def test_native_stands_beside_eager_on_a_cpu_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "list_engines", lambda: ["eager", "native"])
    assert default_engines("cpu") == ("eager", "native")
    assert default_engines("cuda") == ("eager",)


def test_openvino_has_a_sentence_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match="openvino needs the package openvino; install it with"):
        make_engine("openvino")(Doubling(), FRAMES)


def test_openvino_s_telemetry_is_out_of_sight_before_its_converter_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    try:
        _silence()
        with pytest.raises(ImportError):
            importlib.import_module("openvino_telemetry")
    finally:
        sys.modules.pop("openvino_telemetry", None)


def test_compile_has_a_sentence_where_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(EngineError, match=r"compile needs a C\+\+ compiler, and none was found"):
        make_engine("compile")(Doubling(), FRAMES)


def test_eager_is_the_model_itself_and_in_bf16_runs_it_under_autocast() -> None:
    model = Doubling().eval()
    assert make_engine("eager")(model, FRAMES) is model
    low = make_engine("eager")(model, FRAMES, precision="bf16")
    with torch.no_grad():
        logits = low(FRAMES)
        with torch.autocast("cpu", torch.bfloat16):
            expected = model(FRAMES).float()
    assert torch.equal(logits, expected)
    assert not torch.equal(logits, model(FRAMES))
    with pytest.raises(ValueError, match="cannot be trained"):
        low.train()


def test_the_difference_is_a_part_of_the_largest_logit() -> None:
    assert relative_difference(torch.tensor([0.0, 90.0]), torch.tensor([10.0, 100.0])) == pytest.approx(0.1)
    assert relative_difference(torch.tensor([0.0]), torch.tensor([0.5])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="must have the shape"):
        relative_difference(torch.zeros(2), torch.zeros(3))


def test_shared_weights_count_once_and_weights_outside_of_torch_are_asked_for() -> None:
    layer = nn.Linear(3, 3)
    assert weight_bytes(nn.Sequential(layer, layer)) == 4 * 12

    class Outside(nn.Module):
        def held_bytes(self) -> int:
            return 7

    assert weight_bytes(Outside()) == 7
