"""Any mmsegmentation segmentor as a per-frame baseline.

``dict(type="MMSegSegmenter", name="segformer_mit-b0")`` builds the template of that name; on the command
line it is ``mmseg:segformer_mit-b0``. Needs the extra ``mmseg``, imported when the first model is built.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from baselines.mmseg_import import import_mmseg
from baselines.mmseg_templates import adapt, check_parts, load_template, takes_in_channels
from harness.errors import ConfigError
from harness.modeling import AuxiliaryLogits, PerFrameSegmenter, TrainingOutput
from harness.modeling.precision import weight_dtype
from harness.registry import MODELS

MAIN_OUTPUT = {"PIDHead": 1, "IterativeDecodeHead": -1}
"""Which of the several outputs that a head has in training is the one it has at test (0 where not named)."""
SECONDARY_WEIGHT = {"IterativeDecodeHead": 1.0}
"""Loss weight of the other outputs of such a head (0.4 where not named), as in mmsegmentation's templates."""

BOUNDARY_PARTS = ("d_head", "d_cls_seg")
"""Parts of PIDNet's head that predict boundaries for a loss that is not used: frozen."""
FIXED_SIZE = ("BEiT", "MAE")
"""Backbones whose relative positions exist for one frame size only."""


@MODELS.register_module()
class MMSegSegmenter(PerFrameSegmenter):
    """An mmsegmentation encoder-decoder, trained from scratch by this benchmark's loss on every frame alone.

    Backbones that only take three channels get grey frames repeated. Auxiliary heads, earlier stages of a
    cascade and the further outputs that some heads have in training come back as auxiliary logits with the
    weights of the template; boundary losses and class-presence losses are not used.

    Args:
        name: a template of mmsegmentation (``baselines.mmseg_templates.list_templates``), the name of any
            other of its configs, or the path of a config file. Or:
        config: the model's dict itself.
        options: values that replace those of the config, by dotted name, e.g. ``{"backbone.depth": 18}``.
        image_size: side in px for the parts that must know it (position tables of ViT and BEiT).

    Raises:
        ConfigError: the extra is missing, no such model, or a model that needs compiled operators.
    """

    stride = 32
    network: Any

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        image_size: int = 256,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        import_mmseg()
        if (name is None) == (config is None):
            raise ConfigError("An mmseg model needs a template's name or a config dict, and not both.")
        model = load_template(name) if name is not None else dict(config or {})
        for dotted, value in (options or {}).items():
            _set(model, dotted, value)
        check_parts(model)
        # A stem of three channels cannot be built for one; repeating costs little and changes no result.
        self.repeat_grey = in_channels == 1 and not takes_in_channels(model)
        self.only_size = image_size if model["backbone"]["type"] in FIXED_SIZE else None
        channels = 3 if self.repeat_grey else in_channels
        self.network = _build(adapt(model, num_classes=num_structures + 1, in_channels=channels, image_size=image_size))

    def segment(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [0, 1], which are mapped to [-1, 1]."""
        logits, _ = self._decode(self._features(images.to(weight_dtype(self))), images.shape[-2:])
        return _resize(logits.float(), images, self.network.align_corners)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        images = frames.flatten(0, 1)
        features = self._features(images)
        logits, auxiliary = self._decode(features, images.shape[-2:])
        for i, head in enumerate(_as_list(getattr(self.network, "auxiliary_head", None))):
            auxiliary.append((f"auxiliary_{i}", head(features), _loss_weight(head)))
        heads = tuple(
            AuxiliaryLogits(name=name, logits=head.unflatten(0, frames.shape[:2]), weight=weight)
            for name, head, weight in auxiliary
        )
        logits = _resize(logits, images, self.network.align_corners)
        return TrainingOutput(logits=logits.unflatten(0, frames.shape[:2]), auxiliary=heads)

    def _features(self, images: Tensor) -> Any:
        if self.only_size is not None and {*images.shape[-2:]} != {self.only_size}:
            raise ValueError(
                f"This mmseg model takes frames of {self.only_size} px only, got {tuple(images.shape[-2:])}; "
                "build it with another image_size."
            )
        # The templates' own data preprocessor expects colour in 0..255, and was taken out (see ``adapt``).
        x = (images - 0.5) / 0.5
        return self.network.extract_feat(x.expand(-1, 3, -1, -1) if self.repeat_grey else x)

    def _decode(self, features: Any, size: torch.Size) -> tuple[Tensor, list[tuple[str, Tensor, float]]]:
        """Main logits at the head's resolution, and (name, logits, weight) of earlier cascade stages and outputs."""
        *stages, last = _as_list(self.network.decode_head)
        auxiliary: list[tuple[str, Tensor, float]] = []
        logits: Tensor | None = None
        for i, head in enumerate(stages):
            logits = head(features) if logits is None else head(features, logits)
            auxiliary.append((f"stage_{i}", logits, _loss_weight(head)))
        if hasattr(last, "get_points_test"):  # PointRend refines the coarse logits at uncertain points
            metas = [dict(img_shape=tuple(size))]
            return last.predict(features, logits, metas, self.network.test_cfg), auxiliary
        output = last(features) if logits is None else last(features, logits)
        outputs = [output] if isinstance(output, Tensor) else list(output)
        kind = type(last).__name__
        main = outputs.pop(MAIN_OUTPUT.get(kind, 0) if len(outputs) > 1 else 0)
        weight = SECONDARY_WEIGHT.get(kind, 0.4)
        classes = main.shape[1]
        # Further outputs may be boundaries or class presence: only those with a channel per class are segmentations.
        secondary = [o for o in outputs if o.ndim == 4 and o.shape[1] == classes]
        return main, auxiliary + [(f"output_{i}", o, weight) for i, o in enumerate(secondary)]


def _build(config: dict[str, Any]) -> nn.Module:
    from mmseg.registry import MODELS as MMSEG

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)  # mmengine lists the initialisation of every parameter otherwise
    scope, silence = DefaultScope.overwrite_default_scope("mmseg"), contextlib.redirect_stdout(io.StringIO())
    try:
        with scope, silence, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about losses, which are not used
            network = MMSEG.build(ConfigDict(config))
            # mmengine initialises on demand only; without this call the layers keep PyTorch's default start.
            network.init_weights()
    except (KeyError, ImportError) as error:
        raise ConfigError(f"This mmseg model cannot be built here: {error}") from error
    finally:
        logger.setLevel(level)
    for name, parameter in network.named_parameters():
        # Frozen, not removed: the forward of the head still calls them.
        if any(part in BOUNDARY_PARTS for part in name.split(".")):
            parameter.requires_grad_(False)
    return network


def _as_list(heads: nn.Module | None) -> list[Any]:
    if heads is None:
        return []
    return list(heads) if isinstance(heads, nn.ModuleList) else [heads]


def _loss_weight(head: Any) -> float:
    loss = head.loss_decode[0] if isinstance(head.loss_decode, nn.ModuleList) else head.loss_decode
    return float(getattr(loss, "loss_weight", 1.0))


def _resize(logits: Tensor, images: Tensor, align_corners: bool) -> Tensor:
    if logits.shape[-2:] == images.shape[-2:]:
        return logits
    return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=align_corners)


def _set(model: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    node: Any = model
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node.get(key)
        if not isinstance(node, dict | list):
            raise ConfigError(f"The mmseg model has no part '{dotted}' to be replaced.")
    node[int(last) if isinstance(node, list) else last] = value
