"""Every registered engine with every registered model computes what eager computes, to the engine's stated tolerance."""

from __future__ import annotations

import copy
import functools
import importlib.util
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.config import list_configs, load
from harness.engines import EngineError, Inductor, make_engine, relative_difference
from harness.modeling import FirstMaskSegmenter, PerFrameSegmenter, VideoSegmenter
from harness.registry import MODELS, list_engines, load_plugins

# a family (``mmseg:TEMPLATE``) has a placeholder in its config; its models have tests of their own
NAMES = [name for name in list_configs("models") if "{template}" not in str(load("models", name).sizes.to_dict())]
ENGINES = sorted({*list_engines(), "native"})
CAPTURED: dict[str, dict[str, Any]] = {
    "gdkvm": dict(blocks=1, queries=2),
    "unet": dict(widths=(8, 16)),
    "stm": dict(depth=18, width=8),
}
"""Models whose capture is tested, with options that leave out repetitions: a state of tensors, none, a growing memory."""
DISCONTINUOUS = ("xmem", "cutie")
"""Reads the most similar elements of its memory only: with random weights bfloat16 chooses other ones."""


def built(name: str, **options: Any) -> VideoSegmenter:
    """A model of its own for a test to execute and change."""
    return copy.deepcopy(_made(name, tuple(options.items())))


@functools.lru_cache(maxsize=4)
def _made(name: str, options: tuple[tuple[str, Any], ...]) -> VideoSegmenter:
    load_plugins()
    torch.manual_seed(0)
    small = load("models", name).sizes["small"].to_dict()
    model: VideoSegmenter = MODELS.build(small | dict(num_structures=2) | dict(options))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # statistics of its own, as after training
            torch.nn.init.uniform_(module.running_var, 0.8, 1.25)  # type: ignore[arg-type]
    return model.eval()


def clip(length: int = 3, size: int = 32, seed: int = 1) -> Tensor:
    return torch.rand(1, length, 1, size, size, generator=torch.Generator().manual_seed(seed))


def skip_where_absent(engine: str) -> None:
    if engine == "native" and importlib.util.find_spec("echobench_kernels") is None:
        pytest.skip("echobench-kernels is not installed: `make setup` builds it where a C compiler is")


def executed(engine: str, model: VideoSegmenter, example: Tensor, precision: str = "fp32") -> VideoSegmenter:
    """The model by that engine; skips where this machine does not have it."""
    # torch's own backend takes minutes for these models here; what the engine adds to it is the capture, which "eager" has too
    chosen = Inductor("eager") if engine == "compile" else make_engine(engine)
    if (reason := chosen.missing()) is not None:
        pytest.skip(reason)
    if precision not in chosen.tolerance:
        pytest.skip(f"the engine {engine} has no precision {precision}")
    if engine != "native":
        return chosen(model, example, precision=precision)
    try:
        return chosen(model, example, precision=precision)
    except (
        EngineError
    ) as refusal:  # a model without a packed form that computes the same is refused, never approximated
        if built_of_old(model):
            raise
        pytest.skip(str(refusal))


def built_of_old(model: VideoSegmenter) -> bool:
    """Whether the engine native promises to execute the model: those of the default suite."""
    return type(model).__name__ in ("GDKVM", "UNet", "TransUNet", "STM", "XMem")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMES)
def test_an_engine_stays_within_its_tolerance(name: str, engine: str) -> None:
    skip_where_absent(engine)
    # engines that compile do so for each frame's form anew, which takes most of the time: two frames have both kinds
    if engine == "compile" and name not in CAPTURED:
        pytest.skip(f"the capture of {name} has the forms of {', '.join(CAPTURED)}, and takes a minute")
    length = 2 if engine in ("compile", "openvino") else 3
    model, example = built(name, **(CAPTURED[name] if engine == "compile" else {})), clip(length)
    if not (model.causal or make_engine(engine).takes_whole_clips):
        with pytest.raises(EngineError, match=f"The engine {engine} executes frame after frame"):
            executed(engine, model, example)
        return
    with torch.inference_mode():
        before = {key: value.clone() for key, value in model.state_dict().items()}
        fast = executed(engine, model, example)
        tolerance = make_engine(engine).tolerance["fp32"]
        for frames in (example, clip(length, seed=2)):
            assert relative_difference(fast(frames), model(frames)) <= tolerance
        state, streamed = fast.begin(example[:, 0]), []
        for frame in example.unbind(1):
            logits, state = fast.step(frame, state)
            streamed.append(logits)
        shown = slice(None) if model.causal else slice(-1, None)
        difference = relative_difference(torch.stack(streamed, 1)[:, shown], model(example)[:, shown])
        assert difference <= max(tolerance, 1e-5)
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["eager", "native", "openvino"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in DISCONTINUOUS])
def test_an_engine_stays_within_its_tolerance_in_bf16(name: str, engine: str) -> None:
    skip_where_absent(engine)
    model, example = built(name), clip(2)
    if not (model.causal or make_engine(engine).takes_whole_clips):
        pytest.skip(f"the engine {engine} executes frame after frame")
    with torch.inference_mode():
        logits = executed(engine, model, example, "bf16")(example)
        assert logits.dtype == torch.float32
        assert relative_difference(logits, model(example)) <= make_engine(engine).tolerance["bf16"]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_executes_a_model_that_is_joined_with_the_maker_of_its_first_mask(engine: str) -> None:
    skip_where_absent(engine)
    first = built("unet", widths=(4, 8))
    model, example = FirstMaskSegmenter(model=built("stm", **CAPTURED["stm"]), first=first).eval(), clip(2)
    with torch.inference_mode():
        fast = executed(engine, model, example)
        assert relative_difference(fast(example), model(example)) <= make_engine(engine).tolerance["fp32"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_precision_that_an_engine_does_not_have_is_refused(engine: str) -> None:
    skip_where_absent(engine)
    with pytest.raises(EngineError, match=f"The engine {engine} has no precision fp8; choose one of fp32"):
        make_engine(engine)(built("unet_camus"), clip(1, 32), precision="fp8")


class OneLayer(PerFrameSegmenter):
    """What is captured, the tests above compare for real models; C++ is compiled here of as little as there can be."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 2, 3, padding=1)

    def segment(self, images: Tensor) -> Tensor:
        return self.layer(images).relu()


def test_torch_s_own_backend_computes_the_same() -> None:
    engine = Inductor()
    if (reason := engine.missing()) is not None:
        pytest.skip(reason)
    torch.manual_seed(0)
    model, frames = OneLayer().eval(), clip(2, 16)
    with torch.inference_mode():
        compiled = engine(model, frames)
        assert relative_difference(compiled(frames), model(frames)) <= engine.tolerance["fp32"]
