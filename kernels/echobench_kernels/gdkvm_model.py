"""GDKVM for inference only: the same function, faster."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from echobench_kernels.gdkvm_parts import (
    PackedDecoder,
    PackedReadoutFusion,
    PackedValueEncoder,
    packed_summariser,
    packed_trunk,
)
from echobench_kernels.gdkvm_transformer import PackedQueryTransformer
from echobench_kernels.packed_layers import PackedConv
from echobench_kernels.packing import pack
from gdkvm.memory import check_choice
from gdkvm.model import GDKVM, Memory
from harness.modeling.contract import TrainingOutput, VideoSegmenter

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
ENCODE_CHUNK = 2
"""Frames encoded in one call: more fall out of the processor's caches."""


class InferenceGDKVM(VideoSegmenter):
    """A packed copy of a ``GDKVM`` that cannot be trained.

    Batch norms are folded, weights are packed once, activations and residual sums are fused, auxiliary heads are
    gone, and no feature of a past frame is kept. In ``bf16`` and ``fp16`` the convolutions and the query transformer
    run in that type, as do the layers of the object summaries; keys, gates, state, sensory memory, sums of summaries, mask head
    and aggregation stay float32.

    Args:
        model: the model to copy, on the device where the copy is to run; it is not changed.
        precision: ``fp32``, ``bf16``, or on CUDA ``fp16``.
        chunk: frames encoded in one call (on the CPU).

    Raises:
        ValueError: another precision, or ``fp16`` on a CPU.
    """

    def __init__(self, model: GDKVM, precision: Precision = "fp32", chunk: int = ENCODE_CHUNK) -> None:
        super().__init__(num_structures=model.num_structures, in_channels=model.in_channels)
        check_choice("precision", precision, Precision)
        if precision == "fp16" and model.pixel_projector.weight.device.type == "cpu":
            raise ValueError("precision fp16 needs a model on a CUDA device; on the CPU take fp32 or bf16")
        self.precision = precision
        self.chunk = chunk
        self.model = _packed_copy(model, DTYPES[precision])

    def train(self, mode: bool = True) -> InferenceGDKVM:
        """Keep the model in eval mode.

        Raises:
            ValueError: ``mode`` is True.
        """
        if mode:
            raise ValueError("a model packed for inference cannot be trained; train the original one")
        return super().train(False)

    @torch.no_grad()
    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Memory:
        return self.model._begin(frame, first_mask)

    @torch.no_grad()
    def _step(self, frame: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        return self.model._step(frame, memory)

    @torch.no_grad()
    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        batch, length = frames.shape[:2]
        memory = self._begin(frames[:, 0], first_mask)
        logits = frames.new_empty(batch, length, self.num_structures + 1, *frames.shape[-2:], dtype=torch.float32)
        for start in range(0, length, self.chunk):
            part = frames[:, start : start + self.chunk]
            features = self.model.encode(part.flatten(0, 1))
            for t in range(part.shape[1]):
                output, memory = self.model._next(features.frame(t, part.shape[1]), memory, auxiliary=False)
                logits[:, start + t] = output.logits
        return logits

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        raise ValueError("a model packed for inference cannot be trained; train the original one")


def _packed_copy(model: GDKVM, dtype: torch.dtype) -> GDKVM:
    """Copy without auxiliary heads, packed; everything but the float32 parts is in ``dtype``."""
    packed = copy.deepcopy(model).eval().requires_grad_(False)
    # heads that exist for the loss only
    del packed.sensory_head
    parts: dict[str, nn.Module] = dict(
        image_encoder=packed_trunk(packed.image_encoder, dtype),
        value_encoder=PackedValueEncoder(packed.value_encoder, model.num_structures, dtype),
        readout_fusion=PackedReadoutFusion(packed.readout_fusion, model.num_structures, dtype),
        summariser=packed_summariser(packed.summariser, dtype),
        transformer=PackedQueryTransformer(packed.transformer, dtype),
        decoder=PackedDecoder(packed.decoder, dtype),
        pixel_projector=PackedConv(packed.pixel_projector, "none", dtype),
    )
    for name, part in parts.items():
        setattr(packed, name, part)
    for own in (packed.key_projector, packed.key_fusion):
        if own is not None:
            pack(own, dtype)
    return packed
