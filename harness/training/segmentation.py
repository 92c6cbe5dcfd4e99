"""ClipSegmentation: a plain ``VideoSegmenter`` in the shape that mmengine's Runner drives."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, distributed, nn

from harness.errors import DataError
from harness.modeling import PerFrameSegmenter, VideoSegmenter
from harness.training.losses import clip_losses
from harness.training.recipe import LossSpec


class ClipBatch(BaseDataPreprocessor):
    """Moves a batch to the device and turns the flags of labelled frames into indices (on the CPU, no sync)."""

    def __init__(self, *, drops_first: bool, scores_later_frames: bool) -> None:
        super().__init__(non_blocking=True)
        self.drops_first, self.scores_later_frames = drops_first, scores_later_frames

    def forward(self, data: dict[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        """``frames`` [B, T, 1, S, S], ``masks`` [B, T, S, S], ``supervised`` int64 [M] (indices into B*T)."""
        # The loader's tensor may be in pinned memory that is used again.
        labelled = data["labelled"].clone()
        if self.drops_first or (self.scores_later_frames and not training):
            # Its answer was given: supervising it would teach the model to copy. A model without memory was given
            # nothing and learns from it; both are validated on the frames that the protocol scores.
            labelled[:, 0] = False
        # nonzero on the CPU: on CUDA it makes the CPU wait for the device in every iteration.
        supervised = labelled.flatten().nonzero().squeeze(1)
        cast: dict[str, Tensor] = self.cast_data(
            {"frames": data["frames"], "masks": data["masks"], "supervised": supervised}
        )
        return cast


class ClipSegmentation(BaseModel):
    """A ``VideoSegmenter`` with its loss and first-frame protocol.

    Args:
        model: the segmenter.
        loss: weights of the losses.
        gives_first_mask: give the reference mask of frame 0, which is then neither scored nor supervised; a model that
            cannot take a mask keeps frame 0 in its training.
        freeze_batch_norm: normalise with the running statistics and leave them as they are.

    Models without memory (``PerFrameSegmenter``) are trained on the supervised frames alone: what they compute
    for other frames has no influence on the loss.
    """

    data_preprocessor: ClipBatch

    def __init__(
        self, model: VideoSegmenter, loss: LossSpec, *, gives_first_mask: bool, freeze_batch_norm: bool
    ) -> None:
        given = gives_first_mask and model.uses_first_mask
        super().__init__(data_preprocessor=ClipBatch(drops_first=given, scores_later_frames=gives_first_mask))
        self.model = model
        self.loss_spec = loss
        self.gives_first_mask = gives_first_mask
        self.freeze_batch_norm = freeze_batch_norm

    def init_weights(self) -> None:
        """Models initialise themselves when they are built."""

    def train(self, mode: bool = True) -> ClipSegmentation:
        """Switch the mode; frozen batch norms stay in evaluation mode."""
        super().train(mode)
        if mode and self.freeze_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    # train() of the parent has just switched every module on, so this is done at each call.
                    module.eval()
        return self

    def forward(self, frames: Tensor, masks: Tensor, supervised: Tensor, mode: str = "loss") -> Any:
        """``loss``: dict of losses; ``predict``: logits [M, K+1, S, S] of the supervised frames."""
        if mode == "predict":
            return self.predict(self.model, frames, masks, supervised)
        total = labelled_in_all(supervised)
        if not total:
            raise DataError("A training batch has no labelled frame to learn from; check the labels of its cases.")
        # A process whose share has no labelled frame goes through the same steps with weight zero: the others wait for it.
        share = supervised.numel() / total
        supervised = supervised if supervised.numel() else supervised.new_zeros(1)
        return self._weighted(self._losses(frames, masks, supervised), share)

    def _losses(self, frames: Tensor, masks: Tensor, supervised: Tensor) -> dict[str, Tensor]:
        if isinstance(self.model, PerFrameSegmenter):
            # Most frames have no mask: a per-frame model that computes them anyway takes several times as long.
            chosen, reference = _alone(frames, supervised), _alone(masks, supervised)
            every = torch.arange(len(chosen), device=chosen.device)
            return clip_losses(self.model.forward_train(chosen), reference, every, self.loss_spec)
        output = self.model.forward_train(frames, self._first_mask(masks))
        return clip_losses(output, masks, supervised, self.loss_spec)

    def _weighted(self, losses: dict[str, Tensor], share: float) -> dict[str, Tensor]:
        """The loss with the weight that makes the mean of gradients over processes the gradient of the common batch.

        Each process's loss is a mean over its own labelled frames; gradients are averaged over processes, whatever their
        numbers of frames. With ``share`` of the batch's labelled frames a process's loss counts ``world * share`` times.
        """
        world = distributed.get_world_size() if _several() else 1
        return losses if world == 1 else {**losses, "loss": losses["loss"] * (world * share)}

    def predict(self, model: VideoSegmenter, frames: Tensor, masks: Tensor, supervised: Tensor) -> Tensor:
        """Logits [M, K+1, S, S] of the supervised frames by ``model``, which may be an average of the trained one."""
        if isinstance(model, PerFrameSegmenter):
            return model(_alone(frames, supervised)).flatten(0, 1)
        return model(frames, self._first_mask(masks)).flatten(0, 1)[supervised]

    def _first_mask(self, masks: Tensor) -> Tensor | None:
        return masks[:, 0] if self.gives_first_mask else None


def labelled_in_all(supervised: Tensor) -> int:
    """Number of supervised frames of a batch over all processes that share it."""
    if not _several():
        return supervised.numel()
    # gloo and nccl add where the tensor lies. Reading it waits for the other processes, as the backward pass does anyway.
    count = torch.tensor([supervised.numel()], device=supervised.device)
    distributed.all_reduce(count)
    return int(count)


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def _alone(clips: Tensor, supervised: Tensor) -> Tensor:
    """Each supervised frame of [B, T, ...] as a clip of its own: [M, 1, ...]."""
    return clips.flatten(0, 1)[supervised].unsqueeze(1)
