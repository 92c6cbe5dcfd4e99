"""HD, HD95 and ASD of the same masks by several implementations: milliseconds per pair and largest difference.

    OMP_NUM_THREADS=1 python benchmarks/surface.py [--pairs 200] [--size 256]

Every implementation computes all three metrics of every pair, one thread, best of three rounds. "medpy semantics" is
what medpy.metric.binary computes (percentile of the pooled distances; every metric with its own distance transforms),
written with SciPy because the package itself does not work on current NumPy. MONAI is timed where it is installed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from harness.evaluation.surface import directed_distances, surface_metrics

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "oracles"))
from naive_surface import naive_surface_metrics

Mask = NDArray[np.bool_]
Metrics = tuple[float, float, float]
Implementation = Callable[[Mask, Mask], Metrics]
SPACING = (0.308, 0.308)


def fast(p: Mask, g: Mask) -> Metrics:
    """harness.evaluation.surface."""
    values = surface_metrics(p, g, SPACING)
    return values["hd"], values["hd95"], values["asd"]


def naive(p: Mask, g: Mask) -> Metrics:
    """tests/oracles/naive_surface.py."""
    values = naive_surface_metrics(p, g, SPACING)
    return values["hd"], values["hd95"], values["asd"]


def full_frame(p: Mask, g: Mask) -> Metrics:
    """One distance transform of the whole frame per mask."""
    there, back = _directed(p, g), _directed(g, p)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return max(there.max(), back.max()), float(hd95), float(np.concatenate([there, back]).mean())


def medpy_semantics(p: Mask, g: Mask) -> Metrics:
    """Pooled percentile; each metric computes its own distances, the mean as a mean of two means."""
    hd = max(_directed(p, g).max(), _directed(g, p).max())
    hd95 = np.percentile(np.hstack([_directed(p, g), _directed(g, p)]), 95)
    return hd, float(hd95), float(np.mean([_directed(p, g).mean(), _directed(g, p).mean()]))


def _directed(source: Mask, target: Mask) -> NDArray[np.float64]:
    edges = [mask ^ ndimage.binary_erosion(mask) for mask in (source, target)]
    distances: NDArray[np.float64] = ndimage.distance_transform_edt(~edges[1], sampling=SPACING)
    return distances[edges[0]]


def monai() -> Implementation | None:
    """MONAI's metrics, or None where it is not installed."""
    try:
        import torch
        from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
    except ImportError:
        return None
    torch.set_num_threads(1)

    def measure(p: Mask, g: Mask) -> Metrics:
        pair = [torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32)) for mask in (p, g)]
        spacing = list(SPACING)
        return (
            compute_hausdorff_distance(*pair, spacing=spacing).item(),
            compute_hausdorff_distance(*pair, spacing=spacing, percentile=95).item(),
            compute_average_surface_distance(*pair, spacing=spacing, symmetric=True).item(),
        )

    return measure


def make_pairs(count: int, size: int) -> list[tuple[Mask, Mask]]:
    """Random LV-like shapes and an imperfect segmentation of each; every fourth has a spurious blob."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size
    pairs = []
    for index in range(count):
        centre, radii = rng.uniform(0.42, 0.58, 2), rng.uniform((0.18, 0.1), (0.3, 0.18))
        distance = np.hypot((rows - centre[0]) / radii[0], (columns - centre[1]) / radii[1])
        bumps = (ndimage.gaussian_filter(rng.normal(size=(size, size)), size / 24) for _ in range(2))
        p, g = (distance + 0.12 * bump / bump.std() < 1 for bump in bumps)
        if index % 4 == 0:
            row, column = rng.integers(0, size // 8, 2)
            p[row : row + 6, column : column + 6] = True
        pairs.append((p, g))
    return pairs


def timed(measure: Implementation, pairs: list[tuple[Mask, Mask]], rounds: int) -> tuple[float, NDArray[np.float64]]:
    """Milliseconds per pair in the best round, and the values [pairs, 3]."""
    best, values = float("inf"), np.empty((0, 3))
    for _ in range(rounds):
        started = time.perf_counter()
        values = np.array([measure(p, g) for p, g in pairs])
        best = min(best, 1000 * (time.perf_counter() - started) / len(pairs))
    return best, values


def shares(pairs: list[tuple[Mask, Mask]], rounds: int = 5) -> dict[str, float]:
    """Microseconds per pair that each metric takes of distances that are there already, best round; and to make these."""

    def microseconds(make: Callable[[], object]) -> float:
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            make()
            times.append(1e6 * (time.perf_counter() - started) / len(pairs))
        return min(times)

    found = [tuple(np.sort(side) for side in directed_distances(p, g, SPACING)) for p, g in pairs]
    each: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], float]] = {
        "HD": lambda a, b: max(a[-1], b[-1]),
        "HD95": lambda a, b: max(np.percentile(a, 95), np.percentile(b, 95)),
        "ASD": lambda a, b: (a.sum() + b.sum()) / (len(a) + len(b)),
        "NSD": lambda a, b: sum(int(np.searchsorted(s, 2.2, side="right")) for s in (a, b)) / (len(a) + len(b)),
    }
    made = {"distances": microseconds(lambda: [directed_distances(p, g, SPACING) for p, g in pairs])}
    return made | {
        name: microseconds(lambda measure=measure: [measure(*sides) for sides in found])  # type: ignore[misc]
        for name, measure in each.items()
    }


def main() -> None:
    """Print one table, and what each metric costs once the distances are known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    pairs = make_pairs(arguments.pairs, arguments.size)
    implementations: dict[str, Implementation | None] = {
        "echobench": fast,
        "distance transform of the frame": full_frame,
        "medpy semantics": medpy_semantics,
        "MONAI": monai(),
    }
    ours, exact = timed(fast, pairs, 5)
    title = f"{len(pairs)} pairs, {arguments.size} x {arguments.size}, spacing {SPACING} mm, one thread"
    table = Table("implementation", "ms per pair", "x ours", "max |ΔHD|", "max |ΔHD95|", "max |ΔASD|", title=title)
    for name, measure in implementations.items():
        if measure is None:
            table.add_row(name, "not installed", "", "", "", "")
            continue
        took, values = (ours, exact) if measure is fast else timed(measure, pairs, 3)
        largest = np.abs(values - exact).max(axis=0)
        table.add_row(name, f"{took:.3f}", f"{took / ours:.1f}", *(f"{value:.2g}" for value in largest))
    small = pairs[:3]
    difference = np.abs([np.subtract(naive(p, g), fast(p, g)) for p, g in small]).max(axis=0)
    table.add_row(f"naive definition ({len(small)} pairs)", "", "", *(f"{value:.2g}" for value in difference))
    console = Console()
    console.print(table)
    pooled = timed(medpy_semantics, pairs, 1)[1][:, 1] - exact[:, 1]
    blobs = pooled[::4].mean() / SPACING[0]
    console.print(
        f"Pooled HD95 minus HD95: {pooled.mean() / SPACING[0]:+.1f} px on average, {blobs:+.1f} px with a spurious blob."
    )
    costs = ", ".join(f"{name} {cost:.0f}" for name, cost in shares(pairs).items())
    console.print(f"Microseconds per pair: {costs} (of sorted distances).")


if __name__ == "__main__":
    main()
