"""What runs on the fake GPU, each case by its name: ``cases.py [NAME ...]`` prints one JSON line per case.

A case that ends well has on its line the devices of what came out; one that does not has the error's first line.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

from fake_gpu import GPU, Unordered, fake_gpu, moved, register

from harness.config import list_configs, load
from harness.data.transforms import PaperAugmentation
from harness.engines.cuda_graph import GraphedSegmenter
from harness.engines.eager import Eager
from harness.engines.tree import tensors_in
from harness.evaluation.flips import class_ids
from harness.evaluation.prediction import _first_largest
from harness.experiments.trained import predictor
from harness.modeling import FirstMaskSegmenter, PerFrameSegmenter, VideoSegmenter
from harness.perturbations import augmentation
from harness.perturbations.augmentation import RobustAugmentation
from harness.perturbations.sector import Sector
from harness.registry import MODELS, PERTURBATIONS, list_perturbations, load_plugins
from harness.training.parameters import build_optimizer
from harness.training.precision import PrecisionOptimWrapper
from harness.training.recipe import LossSpec, OptimizerSpec, PointSpec
from harness.training.segmentation import ClipSegmentation
from harness.training.validation import frame_dice

Case = Callable[[], Any]
SIDE = 32
READING = ("perturbation", "transform")
"""Cases of what prepares a clip: it may read values of it, once, where a model's forward must not."""
FEWER: dict[str, dict[str, Any]] = {
    "gdkvm": dict(blocks=1),
    "cutie": dict(blocks=1, image_depth=18),
    "livos": dict(blocks=1, image_depth=18),
    "stm": dict(memory_every=2),
    "xmem": dict(memory_every=2),
    "transunet": dict(layers=1, units=(1, 1, 1)),
    **{name: dict(widths=(4, 8)) for name in ("unet", "unet_filtered", "unet_nnu", "unet_3d")},
}
"""Options that leave out repetitions of what a model does anyway: an operator takes a millisecond here, whatever its size."""
# A family (``mmseg:TEMPLATE``) has a placeholder in its config; its models come from another package.
MODEL_NAMES = [name for name in list_configs("models") if "{template}" not in str(load("models", name).sizes.to_dict())]


def names() -> list[str]:
    """Every case but the planted faults."""
    load_plugins()
    models = [f"{kind}:{name}" for name in MODEL_NAMES for kind in ("train", "stream")]
    # A model with a path of its own for whole clips; the others' clips are streams or what training runs.
    models += [f"clip:{name}" for name in MODEL_NAMES if "_clip" in vars(_class(name))]
    perturbations = [f"perturbation:{name}" for name in list_perturbations()]
    rest = ["first_mask", "predictor", "transform:paper", "transform:robust", "labels", "validation"]
    return [*models, *perturbations, *rest, "engine:eager", "engine:cuda_graph"]


def case(name: str) -> Case:
    """The case of a name."""
    kind, _, detail = name.partition(":")
    return functools.partial(CASES[kind], detail) if detail else CASES[kind]


def _class(name: str) -> type:
    return MODELS.get(load("models", name).sizes["small"].type)


def build(name: str) -> VideoSegmenter:
    """A small model of two structures on the GPU."""
    options = load("models", name).sizes["small"].to_dict() | FEWER.get(name, {})
    return moved(MODELS.build(options | dict(num_structures=2)))


def clip(length: int = 3, batch: int = 2) -> Tensor:
    return torch.rand(batch, length, 1, SIDE, SIDE, device=GPU)


def labels(*shape: int) -> Tensor:
    return torch.zeros(*shape, SIDE, SIDE, dtype=torch.int64, device=GPU)


def train(name: str) -> Any:
    return train_step(build(name))


def train_step(model: VideoSegmenter) -> Any:
    """Forward, loss, backward, clipping and the optimiser's step: all of an iteration but the one look at the loss."""
    spec = LossSpec(points=PointSpec(count=64, oversample=2.0))
    gives = model.uses_first_mask
    segmentation = ClipSegmentation(model, spec, gives_first_mask=gives, freeze_batch_norm=False).train()
    wrapper = Unwatched(
        build_optimizer(model, OptimizerSpec(lr=1e-3)), device=torch.device(GPU), precision="fp32", max_norm=1.0
    )
    losses = segmentation(clip(2), labels(2, 2), torch.arange(1, 4, 2, device=GPU))
    gradients: list[Tensor] = []
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(lambda p: gradients.append(p.grad))
    wrapper.update_params(losses["loss"])
    return [*losses.values(), *gradients]


class Unwatched(PrecisionOptimWrapper):
    """Without the look at loss and gradients, which waits for the device once in an iteration and says so."""

    def _check(self, loss: Tensor) -> None:
        pass


def stream(name: str) -> Any:
    """With a first mask, and more frames than a memory that grows takes before it does."""
    model, out = build(name).eval(), []
    length = 1 if isinstance(model, PerFrameSegmenter) else 3
    with torch.no_grad():
        frames = clip(length, batch=1)
        state = model.begin(frames[:, 0], labels(1))
        for frame in frames.unbind(1):
            logits, state = model.step(frame, state)
            out.append(logits)
    return out, state


def whole_clip(name: str) -> Any:
    with torch.no_grad():
        return build(name).eval()(clip(2))


def first_mask() -> Any:
    with torch.no_grad():
        return FirstMaskSegmenter(model=build("stm"), first=build("unet_camus")).eval()(clip(2, batch=1))


def predicted() -> Any:
    """What an evaluation calls: frames from the CPU, logits to the CPU."""
    model = build("unet_camus")
    model.to = lambda device: model  # type: ignore[method-assign,assignment]
    logits = predictor(model, torch.device(GPU))(torch.rand(2, 1, SIDE, SIDE), None)
    assert logits.device.type == "cpu", "an evaluation measures on the CPU"
    return []


def perturbation(name: str) -> Any:
    perturb = PERTURBATIONS.build({"type": name, "reference": "camus"})
    return perturb(torch.rand(3, SIDE, SIDE, device=GPU), 3, "case", sector())


def sector() -> Sector:
    """A sector as ``find_sector`` gives it; finding it reads values, once for a clip."""
    rows, columns = torch.meshgrid(*[torch.arange(SIDE, device=GPU, dtype=torch.float32)] * 2, indexing="ij")
    return Sector(
        mask=rows > columns, depth=rows / SIDE, angle=columns / SIDE, apex=(0.0, 16.0), reach=30.0, aspect=1.0, half_angle=0.6
    )  # fmt: skip


def transform(name: str) -> Any:
    augment = PaperAugmentation() if name == "paper" else RobustAugmentation(probability=1.0)
    augmentation.find_sector = lambda images, aspect: sector()  # type: ignore[assignment]
    return augment(torch.rand(3, 1, SIDE, SIDE, device=GPU), labels(3), torch.Generator())


def hand_over() -> Any:
    """Logits to class ids, as evaluation, sweeps and pictures take them."""
    logits = torch.rand(3, 3, SIDE, SIDE, device=GPU)
    larger = F.interpolate(logits, (SIDE + 8, SIDE), mode="bilinear", align_corners=False)
    return class_ids(logits), _first_largest(larger[0])


def validation() -> Any:
    return frame_dice(torch.rand(3, 3, SIDE, SIDE, device=GPU).argmax(1), labels(3), 3)


def engine(name: str) -> Any:
    """Recorded with a stand-in for the recording: buffers, copies and states must stay on the device."""
    if name == "eager":
        return Eager().prepare(build("unet_camus").eval(), clip(1), "fp32")(clip(1))
    graphed = GraphedSegmenter(build("stm").eval(), lambda run: ((lambda: None), run()))
    return [graphed(clip(2, batch=1)) for _ in range(2)]


def warped() -> Any:
    """A gradient through a warp, as a model that moves its memory with the heart would have it."""
    frames = torch.rand(1, 1, SIDE, SIDE, device=GPU, requires_grad=True)
    F.grid_sample(frames, torch.rand(1, SIDE, SIDE, 2, device=GPU), align_corners=False).sum().backward()
    return []


CASES: dict[str, Callable[..., Any]] = {
    "train": train, "stream": stream, "clip": whole_clip, "first_mask": first_mask, "predictor": predicted,
    "perturbation": perturbation, "transform": transform, "labels": hand_over, "validation": validation, "engine": engine,
}  # fmt: skip


def run(name: str, work: Case) -> dict[str, Any]:
    """One case: its devices and the operators that CUDA adds up in any order, or its error."""
    try:
        with Unordered() as unordered:
            devices = sorted({str(tensor.device.type) for tensor in tensors_in(work())})
        return {"case": name, "devices": devices, "unordered": sorted(unordered.names), "error": ""}
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return {"case": name, "devices": [], "error": f"{type(error).__name__}: {lines[0] if lines else ''}"}


def outcomes() -> Iterator[dict[str, Any]]:
    """Every case, then every planted fault."""
    from planted import FAULTS

    reading = [name for name in names() if name.startswith(READING)]
    # One mode for all models: what they keep from call to call (position codes) belongs to the mode that it was made in.
    with fake_gpu():
        yield from (run(name, case(name)) for name in names() if name not in reading)
        yield from (run(f"fault:{name}", fault) for name, fault in FAULTS.items())
        yield run("unordered", warped)
    with fake_gpu(reads=True):
        yield from (run(name, case(name)) for name in reading)


if __name__ == "__main__":
    load_plugins()
    register()
    for outcome in outcomes():
        sys.stdout.write(json.dumps(outcome) + "\n")
