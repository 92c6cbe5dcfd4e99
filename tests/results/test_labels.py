"""Which runs are one arm, and what sets two arms of one model apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness.results.labels import plain_labels, run_labels, seen_perturbations
from harness.store.runs import Run, RunSpec

PLAIN = [{"type": "PaperAugmentation", "flip": 0.0}]
ROBUST = [{"type": "RobustAugmentation", "perturbations": ["haze", "jpeg"]}, *PLAIN]


def spec(seed: int = 0, label: str = "GDKVM", size: str = "small", **recipe: Any) -> RunSpec:
    return RunSpec(
        model={"name": label.lower(), "size": size, "label": label, "build": {"type": label, "width": len(size)}},
        data={"dataset": "phantom", "fingerprint": "f", "image_size": 32},
        recipe={"iterations": 100, "augment": PLAIN, "optimizer": {"lr": 1e-3}, **recipe},
        seed=seed,
        protocol={"first_frame": "auto", "structures": "lv"},
    )


def run(one: RunSpec) -> Run:
    return Run(Path("nowhere"), {"name": one.folder, "spec": dataclasses.asdict(one), "status": "finished"})


def arms(*specs: RunSpec) -> dict[str, list[int]]:
    seeds: dict[str, list[int]] = {}
    for item, label in zip(specs, run_labels([run(item) for item in specs]), strict=True):
        seeds.setdefault(label, []).append(item.seed)
    return seeds


def test_seeds_of_one_recipe_are_one_arm_and_another_recipe_is_another():
    assert arms(spec(0), spec(1), spec(0, label="U-Net")) == {"GDKVM": [0, 1], "U-Net": [0]}
    found = arms(spec(0), spec(1), spec(0, iterations=50))
    assert found == {"GDKVM (iterations 100)": [0, 1], "GDKVM (iterations 50)": [0]}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (spec(), spec(augment=ROBUST), ["GDKVM", "GDKVM (augmented)"]),
        (spec(), spec(size="paper"), ["GDKVM (size small)", "GDKVM (size paper)"]),
        (spec(), spec(optimizer={"lr": 0.1}), ["GDKVM (lr 0.001)", "GDKVM (lr 0.1)"]),
        (
            spec(augment=ROBUST),
            spec(augment=ROBUST, iterations=9),
            ["GDKVM (augmented, iterations 100)", "GDKVM (augmented, iterations 9)"],
        ),
    ],
)
def test_colliding_labels_say_what_differs(one, other, expected):
    assert run_labels([run(one), run(other)]) == expected


def test_where_much_differs_the_identity_of_the_run_tells_them_apart():
    one, other = spec(), spec(iterations=1, clip_length=3, batch_size=7)
    assert run_labels([run(one), run(other)]) == [f"GDKVM ({one.identity})", f"GDKVM ({other.identity})"]


def test_an_augmented_arm_knows_its_plain_twin_only_where_nothing_else_differs():
    def plain(*specs: RunSpec) -> dict[str, str]:
        runs = [run(item) for item in specs]
        labels = run_labels(runs)
        return dict(zip(labels, plain_labels(runs, labels), strict=True))

    assert plain(spec(), spec(augment=ROBUST)) == {"GDKVM": "", "GDKVM (augmented)": "GDKVM"}
    assert plain(spec(1), spec(2), spec(1, augment=ROBUST))["GDKVM (augmented)"] == "GDKVM"
    assert plain(spec(), spec(augment=ROBUST, iterations=5))["GDKVM (augmented)"] == ""
    words = plain(spec(augment="paper"), spec(augment=[ROBUST[0], {"type": "PaperAugmentation"}]))
    assert words["GDKVM (augmented)"] == "GDKVM"


def test_the_word_robust_shows_half_of_the_perturbations():
    assert len(seen_perturbations({"augment": "robust"})) == 8
    assert seen_perturbations({"augment": "paper"}) == seen_perturbations({"augment": "none"}) == frozenset()
    assert seen_perturbations({"augment": ROBUST}) == {"haze", "jpeg"}
