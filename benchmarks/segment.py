"""What ``echobench segment`` costs beside its model: frames per second of a folder of clips and of the model alone.

    python benchmarks/segment.py --clips 200                (100 frames of 256 px each; half an hour on two cores)
    python benchmarks/segment.py --clips 12                 (two minutes)

Clips are written first (motion JPEG, a textured sector). ``--weights`` takes a trained model (``echobench publish``): an untrained one makes masks of
noise, which are slower to measure and to pack. The model alone is ``begin`` and ``step`` on prepared tensors, measured before and
after the folder, so that a machine that slows down touches both; the folder is the whole command in one process: decoding, resizing, masks,
overlay, area curve, EF, flags, summary. Printed: both rates, their ratio (expected: 0.9 or more) and memory at the first and last clip.
Exit code 1 below 0.9. On a machine with other work the ratio of processor times says
more than that of rates: with all cores busy, the share that is the model's is what remains of its rate.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

from harness import config
from harness.allocator import keep_freed_memory
from harness.data.video import write_avi
from harness.registry import MODELS, load_plugins
from harness.segment import ListedClip, Settings, Trained, segment_all, trained_from_file
from harness.threads import wait_asleep

CPU = torch.device("cpu")
EXPECTED = 0.9


def drawn_clip(frames: int, size: int, seed: int) -> NDArray[np.uint8]:
    """uint8 [T, S, S]: a textured sector with a dark ellipse that beats."""
    noise = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    inside = (np.hypot(rows, columns - 0.5) < 0.97) & (np.abs(np.arctan2(columns - 0.5, rows + 1e-3)) < 0.65)
    pictures = []
    for frame in range(frames):
        scale = 1 - 0.12 * (1 - np.cos(2 * np.pi * frame / 30))
        cavity = ((rows - 0.5) / 0.28) ** 2 + ((columns - 0.5) / 0.13) ** 2 < scale**2
        pictures.append(np.clip(noise.normal(np.where(cavity, 25, 120), 25), 4, 255) * inside)
    return np.stack(pictures).astype(np.uint8)


@torch.inference_mode()
def model_cost(trained: Trained, frames: int) -> tuple[float, float]:
    """Seconds and seconds of processor time that the model alone takes for a frame."""
    pictures = torch.rand(frames, 1, 1, trained.image_size, trained.image_size)
    state = trained.model.begin(pictures[0])  # type: ignore[operator]
    for picture in pictures[:5]:
        _, state = trained.model.step(picture, state)  # type: ignore[operator]
    start, busy = time.perf_counter(), time.process_time()
    for picture in pictures:
        _, state = trained.model.step(picture, state)  # type: ignore[operator]
    return (time.perf_counter() - start) / frames, (time.process_time() - busy) / frames


def resident_mb() -> float:
    """Memory of this process at present, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@click.command(help=__doc__)
@click.option("--model", "name", default="unet", show_default=True)
@click.option("--size", default="small", show_default=True)
@click.option("--clips", default=12, show_default=True)
@click.option("--frames", default=100, show_default=True)
@click.option("--image-size", default=256, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--overlay", default="avi", show_default=True)
@click.option("--weights", type=click.Path(path_type=Path), help="A trained model, instead of --model.")
@click.option("--probe", default=60, show_default=True, help="Frames that the model alone is measured on, twice.")
def main(
    name: str, size: str, clips: int, frames: int, image_size: int, threads: int, overlay: str, weights: Path | None,
    probe: int,
) -> None:  # fmt: skip
    keep_freed_memory()
    wait_asleep()
    torch.set_num_threads(threads)
    load_plugins()
    if weights is None:
        build = config.load("models", name).sizes[size].to_dict() | {"num_structures": 1}
        model = MODELS.build(build).eval()
        trained = Trained(
            name=name, model=model, image_size=image_size, structures=("lv",), dataset="phantom", mark=None
        )
    else:
        trained = replace(trained_from_file(weights), image_size=image_size)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        drawn = [drawn_clip(frames, image_size, seed) for seed in range(3)]
        for index in range(clips):
            write_avi(root / f"{index:03}.avi", drawn[index % len(drawn)], 30.0)
        listed = [ListedClip(path=path, name=path.name) for path in sorted(root.glob("*.avi"))]
        segment_all(listed[:1], trained, root / "warm", Settings(overlay=overlay))  # type: ignore[arg-type]
        memory: list[float] = []
        before = model_cost(trained, probe)
        start, busy = time.perf_counter(), time.process_time()
        done = segment_all(
            listed,
            trained,
            root / "out",
            Settings(overlay=overlay),
            advance=lambda text: memory.append(resident_mb()),  # type: ignore[arg-type]
        )
        whole = [
            (now - then) / (clips * frames) for now, then in ((time.perf_counter(), start), (time.process_time(), busy))
        ]
        after = model_cost(trained, probe)
    failed = [each.error for each in done if each.error]
    wall, cpu = ((first + second) / 2 for first, second in zip(before, after, strict=True))
    print(f"{trained.name}, {clips} clips of {frames} frames at {image_size} px, {threads} threads, overlay {overlay}")
    print(
        f"model alone {1 / before[0]:.1f} and {1 / after[0]:.1f} frames/s, folder {1 / whole[0]:.1f}: ratio {wall / whole[0]:.3f}"
    )
    print(
        f"processor time a frame: model {1e3 * cpu:.2f} ms, folder {1e3 * whole[1]:.2f} ms: ratio {cpu / whole[1]:.3f}"
    )
    print(f"memory {memory[0]:.0f} MB after the first clip, {memory[-1]:.0f} MB after the last; {len(failed)} failed")
    sys.exit(0 if wall / whole[0] >= EXPECTED and not failed else 1)


if __name__ == "__main__":
    main()
