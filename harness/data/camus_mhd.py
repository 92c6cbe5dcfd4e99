"""CAMUS, the old ``.mhd``/``.raw`` release: other masks and EF than the NIfTI release, and never mixed with it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from harness.clip import Case, Clip
from harness.data.camus import LABEL_IDS, Camus
from harness.data.camus_cfg import CamusInfo, info_fields
from harness.data.camus_layout import CamusIndex, index_mhd_root
from harness.data.metaimage import read_metaimage
from harness.data.nifti import Volume
from harness.data.order import order_half_sequence
from harness.errors import DataError
from harness.registry import DATASETS


@DATASETS.register_module()
class CamusMhd(Camus):
    """``training/patient0001 … patient0450`` with masks drawn before they were redrawn for the NIfTI release.

    Pixels are 0.154 mm high and 0.308 mm wide, which every distance must respect. EF and the volumes come from
    the cfg (``LVef``, ``LVedv``, ``LVesv``); there is no frame rate. The release has no split lists and its
    patients are numbered in its own way, so that lists must be given with ``split_dir``. A sequence has the masks
    of its two stills and none between them. The patients of ``testing/`` have no masks and are not read.
    """

    name = "camus_mhd"
    title = "CAMUS (old mhd release)"
    suffix = "mhd"
    official_split = None
    official_spacing_mm = (0.154, 0.308)

    @cached_property
    def index(self) -> CamusIndex:
        """File names of the root, listed once; ``DataError`` where files of the NIfTI release lie among them."""
        return index_mhd_root(self.root, self.title)

    def _still_files(self, stem: str) -> tuple[str, ...]:
        return (f"{stem}_ED.mhd", f"{stem}_ED.raw")

    def _read(self, path: Path, labels: tuple[int, ...] | None = None) -> Volume:
        return read_metaimage(path, labels)

    def _load_half(self, case: Case, folder: Path, info: CamusInfo) -> Clip:
        path = folder / f"{case.name}_sequence.mhd"
        image = self._read(path)
        # The old release has no masks of sequences; its first and last frames are the stills.
        stills = {phase: self._read(folder / f"{case.name}_{phase}_gt.mhd", LABEL_IDS).pixels for phase in ("ED", "ES")}
        last = len(image.pixels) - 1
        if last < 1 or any(mask.shape != (1, *image.pixels.shape[1:]) for mask in stills.values()):
            raise DataError(
                f"{path} has shape {image.pixels.shape}, its masks {stills['ED'].shape}; restore the files."
            )
        masks = np.zeros_like(image.pixels)
        still = folder / f"{case.name}_ED.mhd"
        order = order_half_sequence(image.pixels, masks, self._read(still).pixels[0] if still.is_file() else None, info)
        masks[order.ed], masks[order.es] = stills["ED"][0], stills["ES"][0]
        labelled = np.zeros(last + 1, dtype=bool)
        # Only these two masks were drawn by a person.
        labelled[[0, last]] = True
        return Clip(
            case=case,
            frames=image.pixels,
            masks=masks,
            labelled=labelled,
            interpolated=np.zeros(last + 1, dtype=bool),
            spacing_mm=image.spacing_mm,
            ed=order.ed,
            es=order.es,
            source=f"{case.patient}/{path.name}",
            notes=order.notes,
            **info_fields(info),
        )
