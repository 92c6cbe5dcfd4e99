"""Cine clips as a data set: any reader of stills, with each pair made into a clip when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.clip import LABELS, Case, Clip
from harness.data.dataset import EchoDataset
from harness.data.findings import Finding
from harness.errors import ConfigError
from harness.phantom.cine.clip import CINE_VERSION, MARK, make_clip
from harness.phantom.cine.nearness import nearness_findings
from harness.registry import DATASETS

CINE = "cine"
STILLS = "ed_es"


class CineClips(EchoDataset):
    """The clips made from a data set's ED and ES stills.

    Cases, splits and checks are those of the stills; a clip belongs to its patient's split, adds no patient and says nothing new
    about the EF. ``mark`` says "semi-synthetic" beside every result. Clips are made when they are prepared, below the data folder,
    and never written anywhere else: a clip of CAMUS is a derivative under its licence.

    Args:
        stills: a data set opened with ``clip="ed_es"`` whose masks tell LV, myocardium and left atrium apart.
        seed: decides the speckle between the stills.

    Raises:
        ConfigError: the data set lacks a structure.
    """

    def __init__(self, stills: EchoDataset, *, seed: int = 0) -> None:
        if absent := [name for name in LABELS if name not in stills.structures]:
            raise ConfigError(
                f"Cine clips need masks of {', '.join(LABELS)}, and {stills.title} has none of {', '.join(absent)}; "
                f"use --clip {' or '.join(stills.all_clips)}."
            )
        self.stills, self.seed = stills, seed
        self.name, self.title, self.structures = stills.name, stills.title, stills.structures
        self.all_views, self.all_clips = stills.all_views, (*stills.all_clips, CINE)
        self.root, self.split_dir, self.allow_partial = stills.root, stills.split_dir, stills.allow_partial
        self.views, self.clip = stills.views, CINE

    @property
    def mark(self) -> str:
        """That clips are made, and what the stills' data set lacks."""
        return "; ".join(filter(None, (MARK, self.stills.mark)))

    def layout(self) -> list[Finding]:
        """Findings of the stills' data set, and a note that clips are made."""
        return [*self.stills.layout(), Finding(level="note", check="cine", message=f"{MARK}, seed {self.seed}")]

    def cases(self, split: str) -> list[Case]:
        """The stills' cases of one split; each pair becomes one clip."""
        return self.stills.cases(split)

    def load(self, case: Case) -> Clip:
        """One clip; ``ClipRefused`` (a ``DataError``) where none can be made of the pair."""
        return make_clip(self.stills.load(case), seed=self.seed)

    def sources(self) -> list[Path]:
        """The files of the stills: clips are made from nothing else."""
        return self.stills.sources()

    def examine(self, clip: Clip) -> list[Finding]:
        """Checks of one clip that the stills' data set knows."""
        return self.stills.examine(clip)

    def options(self) -> dict[str, Any]:
        """The stills' choices, and what else decides the pixels."""
        return {**self.stills.options(), "clip": CINE, "cine": {"version": CINE_VERSION, "seed": self.seed}}

    def survey(self) -> list[Finding]:
        """How near a dozen clips are to a real sequence."""
        return nearness_findings(self)


def build_dataset(build: dict[str, Any]) -> EchoDataset:
    """A data set from its config; ``clip="cine"`` makes its stills into clips.

    Args:
        build: ``type``, ``root``, ... as in ``configs/datasets``; ``cine_seed`` is taken by the clips.

    Raises:
        ConfigError, DataError: as the reader raises them.
    """
    arguments = dict(build)
    seed = int(arguments.pop("cine_seed", 0))
    if arguments.get("clip") != CINE:
        dataset: EchoDataset = DATASETS.build(arguments)
        return dataset
    return CineClips(DATASETS.build({**arguments, "clip": STILLS}), seed=seed)
