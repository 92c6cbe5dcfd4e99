"""The verbs that are tortured, as small as they can be: tiny frames, narrow networks, two to six iterations."""

from __future__ import annotations

import shlex
from pathlib import Path

import nibabel
import numpy as np

from harness.phantom.layout import patient_id

TINY = [
    *("generate.patients=(1,1,2)", "generate.pixel_mm=3.0", "recipe.image_size=32", "recipe.iterations=6"),
    *("recipe.val_interval=2", "recipe.checkpoint_interval=1", "recipe.batch_size=2", "recipe.precision=fp32"),
    *("models.unet.widths=(4,8)", "profile.warmup=1", "profile.repeats=1", "profile.patience_s=0"),
]
SET = " ".join(f"--set {shlex.quote(item)}" for item in TINY)
STUDY = """study = dict(
    kind="grid",
    model="unet",
    seeds=[0],
    factors=dict(width=dict(label="Width", levels={"8": {}, "6": {"models.unet.widths": (4, 6)}})),
)
"""
VERBS = {
    "bench": f"bench --views 4CH --models unet --recipe smoke --seeds 0 --report torture {SET}",
    "ablate": f"ablate tiny_study.py --views 4CH --recipe smoke --study-name tiny --no-profile {SET}",
    "robustness": "robustness run --report torture --perturbations gain_down,haze --severities 1,3 --limit 1",
    "segment": "segment clip.nii.gz --run unet-small-s0 --overlay none --frame-rate 30 --out segmented/clip",
    "report": "report torture",
    "score": "score masks --label Theirs --report torture --missing empty --resize",
    "evaluate": "evaluate --report torture --split val --metrics overlap",
    "manifest": "data manifest own",
    "export": "data export exported --format npz --dataset folder --root own",
}
"""Each is started in the folder that the one before it has left."""
TORTURED = ("bench", "ablate", "robustness", "segment", "report")
"""Those that are killed; all of them meet the faults of ``benchmarks/faults.py``."""


def write_inputs(folder: Path) -> None:
    """The study, a clip of twelve frames (a bright sector with a dark cavity that changes its size), masks to score, data of one's own."""
    (folder / "tiny_study.py").write_text(STUDY)
    rows, columns = np.mgrid[0:64, 0:64]
    sizes = 14 - 4 * np.sin(np.linspace(0, np.pi, 12))
    frames = [np.where((rows - 34) ** 2 / (1.8 * s * s) + (columns - 32) ** 2 / (s * s) < 1, 30, 140) for s in sizes]
    image = nibabel.Nifti1Image(np.stack(frames).astype(np.uint8).transpose(2, 1, 0), np.diag([-0.5, -0.5, 1.0, 1.0]))
    image.header.set_xyzt_units("mm", "unknown")
    nibabel.save(image, folder / "clip.nii.gz")
    (folder / "masks").mkdir()
    # The second test patient has none: whatever is missing counts as empty.
    np.save(folder / "masks" / f"{patient_id(2)}_4CH_ED.npy", (frames[0] == 30).astype(np.uint8))
    for kind in ("images", "masks"):
        (folder / "own" / kind).mkdir(parents=True)
        for patient in range(4):
            pixels = np.stack(frames)[patient : patient + 4].astype(np.uint8)
            np.save(
                folder / "own" / kind / f"p{patient}.npy",
                pixels if kind == "images" else (pixels == 30).astype(np.uint8),
            )
