"""The embedded phantom as a dataset: written in the layout of the CAMUS NIfTI release and read by the same code."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from harness.clip import Case, Clip
from harness.data.camus import Camus
from harness.data.camus_cfg import CamusInfo, info_fields, read_info
from harness.data.dataset import CLIP_KINDS
from harness.data.findings import Finding
from harness.data.nifti import spacing_notes
from harness.errors import DataError
from harness.registry import DATASETS

CYCLES = ("cycle", "beats")
"""Clip kinds of whole heart beats, which the phantom alone has."""


@DATASETS.register_module()
class Phantom(Camus):
    """The embedded phantom: generated on disk in the CAMUS NIfTI layout and read by the very same code.

    Its masks follow from its geometry and are true on every frame, so that all frames of a sequence are labelled. ``clip="cycle"`` is
    the first whole beat, from ED to the next ED, of a root that was generated with ``beats``; ``clip="beats"`` is all of them.
    """

    name = "phantom"
    title = "phantom"
    official_split = None
    official_spacing_mm = None
    all_clips = (*CLIP_KINDS, *CYCLES)

    def layout(self) -> list[Finding]:
        """As CAMUS; a root without whole cycles says how they are made."""
        findings = super().layout()
        if self.clip in CYCLES and any(item.level == "error" for item in findings) and self.gaps.clip_absent:
            text = (
                f"The phantom {self.root} holds no whole cycles; make some with `echobench phantom NEW_FOLDER --beats 3`, or leave "
                "--root out."
            )
            return [Finding(level="error", check="complete", message=text)]
        return findings

    def load(self, case: Case) -> Clip:
        """As CAMUS, and whole cycles where they were asked for."""
        return self._load_cycles(case) if self.clip in CYCLES else super().load(case)

    def _load_cycles(self, case: Case) -> Clip:
        folder = self.index.folder / case.patient
        path, info = folder / f"{case.name}_cycles.nii.gz", read_info(folder / f"Info_{case.view}.cfg")
        image, mask = self._read_pair(path)
        count = len(image.pixels)
        if len(info.beat_ed) < 2 or not info.beat_es or max(*info.beat_ed, *info.beat_es) > count:
            raise DataError(
                f"{folder / f'Info_{case.view}.cfg'} does not say where the beats of the {count} frames of {path.name} begin and end "
                "(BeatED, BeatES); generate the phantom again."
            )
        # The frame that closes a beat is its end-diastole too: the curve of a whole cycle comes back to where it began.
        shown = slice(0, info.beat_ed[1] if self.clip == "cycle" else count)
        frames = image.pixels[shown]
        return Clip(
            case=case,
            frames=frames,
            masks=mask.pixels[shown],
            labelled=np.ones(len(frames), dtype=bool),
            interpolated=np.zeros(len(frames), dtype=bool),
            spacing_mm=image.spacing_mm,
            ed=info.beat_ed[0] - 1,
            es=info.beat_es[0] - 1,
            source=f"{case.patient}/{path.name}",
            notes=spacing_notes([image, mask]),
            **info_fields(info),
        )

    def _load_half(self, case: Case, folder: Path, info: CamusInfo) -> Clip:
        clip = super()._load_half(case, folder, info)
        return dataclasses.replace(
            clip, labelled=np.ones_like(clip.labelled), interpolated=np.zeros_like(clip.interpolated)
        )

    def options(self) -> dict[str, Any]:
        """What was chosen, and of sequences that every mask counts: clips prepared before that are others."""
        return {**super().options(), **({"masks": "every frame"} if self.clip == "half" else {})}
