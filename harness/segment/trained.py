"""Finding a finished run, by name in the results store or by its folder, and loading its model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import nn

from harness.clip import LABELS, structure_names
from harness.engines import make_engine
from harness.errors import ConfigError, unknown
from harness.experiments.trained import load_trained
from harness.modeling import VideoSegmenter
from harness.segment.card import Card, card_of
from harness.segment.trust.training_range import TrainingRange, range_of_run
from harness.segment.weights import SUFFIX, read_weights, write_weights
from harness.store.formats.record import read_record
from harness.store.runs import Run, RunStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A model with its weights and what it needs to know of its training.

    Attributes:
        name: of the run.
        model: in eval mode, on the CPU.
        image_size: side of the square frames the model was trained on.
        structures: names of classes 1..K.
        dataset, mark: what it was trained on.
        engine: how the model is executed.
        range: what the training data were like; None where they are not at hand.
    """

    name: str
    model: nn.Module
    image_size: int
    structures: tuple[str, ...]
    dataset: str
    mark: str | None
    engine: str = "eager"
    range: TrainingRange | None = None


def with_engine(trained: Trained, engine: str, device: torch.device) -> Trained:
    """The same model, executed by an engine on a device.

    Raises:
        ConfigError: no such engine. EngineError: it is not installed or cannot execute this model.
    """
    if engine == "eager":
        return trained
    model = cast(VideoSegmenter, trained.model.to(device).eval())
    # Two frames: the first one takes another way through a model with memory, and both are to be prepared.
    example = torch.rand(1, 2, model.in_channels, trained.image_size, trained.image_size, device=device)
    executed = make_engine(engine)
    return replace(trained, model=executed(model, example), engine=executed.name)


def find_trained(
    name: str | None, results_dir: Path | str, checkpoint: Path | str | None = None, data_dir: Path | str = "data"
) -> Trained:
    """The model of the run ``name`` in ``results_dir``, or of the run whose folder or checkpoint file is given.

    ``name`` may be any part of a run's name that only one finished run has. What clips are compared with (``trust``) is taken
    from the prepared training data below ``data_dir``, where they are.

    Raises:
        ConfigError: none or both are given, the run is unknown, ambiguous, unfinished or needs a reference mask.
        BenchError: its weights are missing or damaged.
    """
    # Both given could name two runs.
    if (name is None) == (checkpoint is None):
        raise ConfigError("Give either the name of a run (--run) or the folder of a run (--checkpoint).")
    if checkpoint is not None:
        run, weights = _run_at(Path(checkpoint))
    else:
        run = _named(str(name), RunStore(results_dir))
        weights = run.path / "checkpoints" / "best.pth"
    return replace(_load(run, weights), range=range_of_run(run.spec, Path(data_dir)))


def trained_from_file(path: Path) -> Trained:
    """The model of a weights file that ``publish`` wrote.

    Raises:
        ConfigError, DataError, BenchError: as ``weights.read_weights``; a model that needs a reference mask, or segments
            something else than ``LABELS``.
    """
    card, model = read_weights(path)
    _check_usable(f"The weights file {path}", card.structures, card.first_frame)
    return Trained(
        name=card.name,
        model=model,
        image_size=card.image_size,
        structures=card.structures,
        dataset=card.training.dataset,
        mark=card.training.mark,
        range=card.range,
    )


def publish(
    name: str, out: Path | None, *, results_dir: Path | str, data_dir: Path, terms: str | None = None
) -> tuple[Path, Card]:
    """Pack a finished run into a weights file; returns its path and card.

    Args:
        name: of the run, or a part of it that only one finished run has.
        out: the file; None for the run's name in the present folder.
        data_dir, terms: see ``card.card_of``.

    Raises:
        ConfigError: as ``find_trained``; the file exists. BenchError: the run's files are missing or damaged.
    """
    run = _named(name, RunStore(results_dir))
    model = _load(run, run.path / "checkpoints" / "best.pth").model
    card = card_of(run, data_dir, terms)
    return write_weights(out or Path(run.name.replace("/", "-") + SUFFIX), card, model), card


def _run_at(path: Path) -> tuple[Run, Path]:
    """Run and weights of a run's folder, of its ``checkpoints`` folder or of a file in that folder."""
    # A run, its checkpoints/ or a file in it: whatever the user has at hand.
    folders = [path, *path.parents[:2]]
    folder = next((folder for folder in folders if (folder / "run.json").is_file()), None)
    if folder is None:
        raise ConfigError(f"{path} is not a run: no run.json lies there; give the folder of a finished run.")
    weights = path if path.is_file() and path.suffix == ".pth" else folder / "checkpoints" / "best.pth"
    return Run(folder, read_record(folder / "run.json")), weights


def _named(name: str, store: RunStore) -> Run:
    runs = {run.name: run for run in store.all()}
    if name in runs:
        return runs[name]
    # An exact name wins above; a part of one is a convenience that must be unambiguous.
    finished = [run for run in runs.values() if name in run.name and run.status == "finished"]
    if len(finished) == 1:
        return finished[0]
    if finished:
        listing = ", ".join(run.name for run in finished)
        raise ConfigError(f"Several finished runs in {store.root} match '{name}': {listing}; name one of them.")
    raise unknown("run", name, runs, where=str(store.root))


def _load(run: Run, weights: Path) -> Trained:
    spec = run.spec
    if spec.external:
        raise ConfigError(f"The run {run.name} holds scores of masks made elsewhere; it has no model.")
    if run.status != "finished":
        raise ConfigError(f"The run {run.name} is not finished (status: {run.status}); finish it or choose another.")
    structures = structure_names(spec.protocol["structures"])
    _check_usable(f"The run {run.name}", structures, spec.protocol["first_frame"])
    return Trained(
        name=run.name,
        model=load_trained(run, weights),
        image_size=int(spec.recipe["image_size"]),
        structures=structures,
        dataset=str(spec.data["dataset"]),
        mark=spec.data.get("mark"),
    )


def _check_usable(what: str, structures: tuple[str, ...], first_frame: str) -> None:
    """Raise ``ConfigError`` where a clip of one's own lacks what a model needs."""
    if others := [name for name in structures if name not in LABELS]:
        raise ConfigError(
            f"{what} segments {', '.join(others)}; single clips are segmented into {', '.join(LABELS)} only. "
            "Choose another run, or score this one on a data set with echobench evaluate."
        )
    # Nobody has drawn the first frame of a new clip.
    if first_frame == "gt":
        raise ConfigError(
            f"{what} needs the reference mask of the first frame (protocol {first_frame}), which a clip of "
            "one's own does not have; choose a run with the protocol auto or auto_unet."
        )
