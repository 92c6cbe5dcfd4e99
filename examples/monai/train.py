"""A network of MONAI on the pictures that echobench exported: trained on `train`, its masks of `test` written for `echobench score`.

    python train.py EXPORT MASKS [STEPS]

EXPORT is what `echobench data export EXPORT --format png` wrote, MASKS a new folder. STEPS is 60 unless given: enough to see the way
through; its numbers mean nothing. The network, its loss, the transforms and the loader are MONAI's; nothing of echobench is imported.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import Compose, LoadImaged, Resized, ScaleIntensityRanged
from monai.utils import set_determinism
from PIL import Image

SIZE = (128, 128)


def pictures(folder: Path) -> list[dict[str, str]]:
    """Every exported frame with its mask."""
    return [
        {"image": str(path), "mask": str(folder / "masks" / path.name)}
        for path in sorted((folder / "images").glob("*.png"))
    ]


def transforms(keys: tuple[str, ...]) -> Compose:
    """Read, bring to [0, 1] and to the network's size."""
    return Compose(
        [
            LoadImaged(keys, image_only=True, ensure_channel_first=True),
            ScaleIntensityRanged("image", 0, 255, 0, 1),
            Resized(keys, SIZE, mode=("area", "nearest")[: len(keys)]),
        ]
    )


def main(export: Path, masks: Path, steps: int) -> None:
    """Train, then predict and write one PNG per frame, called as the export calls it."""
    set_determinism(0)
    network = UNet(
        spatial_dims=2, in_channels=1, out_channels=2, channels=(16, 32, 64, 128), strides=(2, 2, 2), num_res_units=2
    )
    loss, optimizer = DiceCELoss(to_onehot_y=True, softmax=True), torch.optim.AdamW(network.parameters(), 3e-3)
    batches = DataLoader(Dataset(pictures(export / "train"), transforms(("image", "mask"))), batch_size=8, shuffle=True)
    for step, batch in enumerate(itertools.islice(itertools.chain.from_iterable(itertools.repeat(batches)), steps), 1):
        value = loss(network(batch["image"]), batch["mask"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step} of {steps}: loss {value.item():.3f}", flush=True)
    masks.mkdir(parents=True)
    network.eval()
    frames = pictures(export / "test")
    with torch.inference_mode():
        for item, read in zip(frames, Dataset(frames, transforms(("image",))), strict=True):
            width, height = Image.open(item["image"]).size
            # MONAI reads a picture as (width, height): its answer is turned before it is written.
            logits = torch.nn.functional.interpolate(network(read["image"][None]), (width, height), mode="bilinear")
            mask = logits.argmax(1)[0].numpy().astype(np.uint8).T
            Image.fromarray(mask).save(masks / Path(item["image"]).name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 60)
