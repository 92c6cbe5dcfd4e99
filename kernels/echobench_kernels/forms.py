"""The packed copy of each kind of model."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

import echobench_kernels.baselines  # noqa: F401  (registers what the baselines need)
from baselines.per_frame import FrameNetworkSegmenter
from baselines.stm import STM
from baselines.transunet import TransUNet
from baselines.unet import UNet
from baselines.xmem import XMem
from echobench_kernels.copying import inference_copy
from echobench_kernels.gdkvm_model import InferenceGDKVM
from gdkvm.model import GDKVM
from harness.engines import EngineError, relative_difference
from harness.modeling import FirstMaskSegmenter, VideoSegmenter
from harness.modeling.memory_segmenter import MemorySegmenter

AGREEMENT = {"fp32": 1e-3, "bf16": 0.2}
"""Largest difference to eager of a copy whose function nobody has checked, as a part of the largest logit."""


@functools.singledispatch
def native_form(model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
    """The packed copy of a model; register a kind of model here.

    A model of an unknown kind is packed as far as its layers are known, and segments the example's first two frames beside the
    original: names of attributes, by which batch norms are folded, promise nothing.

    Raises:
        EngineError: the copy does not compute the same.
    """
    frames = example[:1, :2]  # two: a memory is read from the second frame on
    with torch.inference_mode():
        expected = model(frames)
        try:
            copy = inference_copy(model, precision)
            gap = relative_difference(copy(frames).float(), expected.float())
        except (RuntimeError, AttributeError, TypeError, ValueError) as error:
            raise EngineError(f"The engine native cannot pack {type(model).__name__}; use the engine eager.") from error
    if not gap <= AGREEMENT[precision]:
        raise EngineError(
            f"The engine native has no packed form of {type(model).__name__} that computes the same (its logits differ by "
            f"{gap:.1g} of the largest); use the engine eager."
        )
    return copy


CHECKED = (UNet, TransUNet, STM, XMem)
"""Models whose packed copy the contract tests hold to eager in every precision; any other is held to it when it is made."""


@native_form.register(FrameNetworkSegmenter)
@native_form.register(MemorySegmenter)
def _(model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
    if type(model) in CHECKED:
        return inference_copy(model, precision)
    form: VideoSegmenter = native_form.dispatch(VideoSegmenter)(model, example, precision)
    return form


@native_form.register
def _(model: GDKVM, example: Tensor, precision: str) -> VideoSegmenter:
    return InferenceGDKVM(model, precision).eval()  # type: ignore[arg-type]


@native_form.register
def _(model: FirstMaskSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
    """Both parts packed."""
    fast, maker = (native_form(part, example, precision) for part in (model.model, model.first))
    return FirstMaskSegmenter(model=fast, first=maker).eval()
