"""Cine clips made from phantom stills: their ends, their geometry against the phantom's own middle frames, their speckle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from harness.clip import LABELS, Clip
from harness.data import Phantom
from harness.errors import DataError
from harness.phantom.cine import CineRefusal, make_clip
from harness.phantom.cine.clip import _pair
from harness.phantom.cine.flow import FlowSettings, integrate, jacobians
from harness.phantom.cine.labels import blended, shares, warped
from harness.phantom.cine.landmarks import Landmarks, at_rest, match
from harness.phantom.cine.nearness import frame_statistics, measure_clip
from harness.phantom.cine.noise import rho, weights
from harness.phantom.cine.outlines import outline
from harness.phantom.cine.picture import Painter
from harness.phantom.cine.timing import draw_timing, generator, half_beat
from harness.phantom.cine.warp import warp
from harness.phantom.measures import speckle_trace


@pytest.fixture(scope="module")
def truths(phantom_root: Path) -> list[Clip]:
    """The phantom's own half sequences in the four-chamber view, ED first."""
    dataset = Phantom(phantom_root, views=("4CH",), clip="half")
    clips = [dataset.load(case) for split in ("train", "val", "test") for case in dataset.cases(split)]
    return [clip for clip in clips if clip.ed == 0]


@pytest.fixture(scope="module")
def pairs(phantom_root: Path) -> list[Clip]:
    """The stills of the same patients."""
    dataset = Phantom(phantom_root, views=("4CH",), clip="ed_es")
    return [dataset.load(case) for split in ("train", "val", "test") for case in dataset.cases(split)]


@pytest.fixture(scope="module")
def made(pairs: list[Clip]) -> list[Clip]:
    return [make_clip(pair, seed=0) for pair in pairs]


def dice(first: NDArray, second: NDArray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def interpolated(masks: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """The plain alternative: signed distances of each label interpolated between the two masks."""
    distances = []
    for label in range(4):
        inside = [(mask == label).astype(np.uint8) for mask in masks]
        signed = [
            cv2.distanceTransform(item, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - item, cv2.DIST_L2, 5)
            for item in inside
        ]
        distances.append((1 - share) * signed[0] + share * signed[1])
    return np.argmax(distances, axis=0).astype(np.uint8)


# ---- ends, seeds, timing


def test_first_and_last_frame_and_mask_are_the_stills_byte_for_byte(pairs: list[Clip], made: list[Clip]) -> None:
    for pair, clip in zip(pairs, made, strict=True):
        assert 13 <= len(clip.frames) <= 24
        assert clip.frames[[0, -1]].tobytes() == pair.frames.tobytes()
        assert clip.masks[[0, -1]].tobytes() == pair.masks.tobytes()
        assert (clip.ed, clip.es) == (0, len(clip.frames) - 1)
        assert clip.labelled.all()
        assert not clip.interpolated.any()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_pictures_with_the_same_masks(
    pairs: list[Clip], made: list[Clip]
) -> None:
    again, other = make_clip(pairs[0], seed=0), make_clip(pairs[0], seed=1)
    assert again.frames.tobytes() == made[0].frames.tobytes()
    assert other.masks.tobytes() == made[0].masks.tobytes()
    middle = slice(1, -1)
    assert (other.frames[middle] != made[0].frames[middle]).mean() > 0.2


def test_another_case_of_the_same_pictures_has_speckle_of_its_own(pairs: list[Clip], made: list[Clip]) -> None:
    renamed = replace(pairs[0], case=replace(pairs[0].case, patient="patient9999"), frame_rate_hz=made[0].frame_rate_hz)
    clip = make_clip(renamed, seed=0)
    assert clip.frames[1].tobytes() != made[0].frames[1].tobytes()


def test_frames_are_drawn_from_the_systoles_of_camus() -> None:
    drawn = [draw_timing(f"patient{index:04d}_4CH") for index in range(400)]
    counts = np.array([timing.frames for timing in drawn])
    assert (counts.min(), counts.max()) == (13, 24)
    assert abs(np.median(counts) - 18) <= 1
    assert draw_timing("a", 60.0).rate_hz == 60.0
    phases = half_beat(18)
    assert phases[0] == 0
    assert phases[-1] == 1
    assert (np.diff(phases) > 0).all()


# ---- geometry


def test_masks_of_every_middle_frame_agree_with_the_phantoms_own(truths: list[Clip]) -> None:
    """The only test of the path between the stills: given ED and ES of a phantom sequence, find its other frames."""
    scores: dict[str, list[float]] = {name: [] for name in LABELS}
    others: dict[str, list[float]] = {name: [] for name in LABELS}
    for truth in truths:
        spacing, frames = truth.spacing_mm, len(truth.frames)
        assert spacing is not None
        stills = truth.masks[[0, -1]]
        phases = half_beat(frames)
        places = warp(stills, spacing, phases).flow.at_pixels(stills.shape[1:], spacing)
        ends = shares(stills[0]), shares(stills[1])
        for index in range(1, frames - 1):
            carried = [warped(end, at) for end, at in zip(ends, (places.back(index), places.to_es(index)), strict=True)]
            mask = blended(carried[0], carried[1], index / (frames - 1), spacing)
            plain = interpolated(stills, float(phases[index]))
            for name, label in LABELS.items():
                score = dice(mask == label, truth.masks[index] == label)
                scores[name].append(score)
                others[name].append(dice(plain == label, truth.masks[index] == label))
    assert min(scores["lv"]) >= 0.99
    for name, least in (("lv", 0.993), ("myo", 0.985), ("la", 0.99)):
        assert np.mean(scores[name]) >= least
        assert np.mean(scores[name]) > np.mean(others[name])


def test_the_warped_ed_mask_is_the_es_mask_without_folds_and_both_directions_undo_each_other(pairs: list[Clip]) -> None:
    for pair in pairs:
        assert pair.spacing_mm is not None
        made = warp(pair.masks, pair.spacing_mm, half_beat(16))
        assert made.flow.least_jacobian > 0
        assert jacobians(made.flow.back, made.flow.grid_mm).min() >= made.flow.least_jacobian
        places = made.flow.at_pixels(pair.masks.shape[1:], pair.spacing_mm)
        back, there = places.back(15), places.to_es(0)
        carried = warped(shares(pair.masks[0]), back).argmax(axis=-1)
        assert dice(carried == 1, pair.masks[1] == 1) >= 0.98
        assert dice(carried == 2, pair.masks[1] == 2) >= 0.95
        rows, columns = np.indices(pair.masks.shape[1:], dtype=np.float32)
        again = [warped(plane, there) - own for plane, own in zip(back, (columns, rows), strict=True)]
        error = np.hypot(*again)[pair.masks[0] > 0] * pair.spacing_mm[0]
        assert np.percentile(error, 99) < 0.5


def test_landmarks_that_change_places_fold_and_are_refused(pairs: list[Clip]) -> None:
    pair = pairs[0]
    assert pair.spacing_mm is not None
    ends = [outline(mask, pair.spacing_mm, name) for mask, name in zip(pair.masks, ("ED", "ES"), strict=True)]
    good = match(ends[0], ends[1])
    crossed = Landmarks(ed=good.ed, es=good.es[::-1])
    resting = at_rest(pair.masks, pair.spacing_mm, (12.0, 20.0))
    flow = integrate(crossed, resting, ends[0].size_mm, half_beat(13), FlowSettings())
    assert flow.least_jacobian <= 0 or flow.miss_mm > 1
    mirrored = np.stack([pair.masks[0], pair.masks[1][::-1]])
    with pytest.raises(CineRefusal):
        warp(mirrored, pair.spacing_mm, half_beat(13))


def test_the_ventricle_empties_and_no_islands_are_left(made: list[Clip]) -> None:
    for clip in made:
        areas = (clip.masks == LABELS["lv"]).sum(axis=(1, 2))
        assert np.diff(areas).max() <= 0.005 * areas[0]
        for mask in clip.masks:
            for label in LABELS.values():
                count, _ = cv2.connectedComponents((mask == label).astype(np.uint8), connectivity=4)
                ends = max(
                    cv2.connectedComponents((clip.masks[end] == label).astype(np.uint8), connectivity=4)[0]
                    for end in (0, -1)
                )
                assert count <= ends


def test_a_mirrored_pair_has_mirrored_masks_and_millimetres_scale(pairs: list[Clip], made: list[Clip]) -> None:
    mirrored = replace(pairs[0], frames=pairs[0].frames[:, :, ::-1].copy(), masks=pairs[0].masks[:, :, ::-1].copy())
    masks = make_clip(mirrored).masks[:, :, ::-1]
    scores = [
        dice(a == label, b == label) for a, b in zip(masks, made[0].masks, strict=True) for label in LABELS.values()
    ]
    assert min(scores) > 0.985


def test_islands_go_to_the_second_best_label() -> None:
    share = np.zeros((40, 40, 4), dtype=np.float32)
    share[..., 0] = 1
    share[5:30, 5:30] = (0, 1, 0, 0)
    share[33:35, 33:35] = (0.1, 0.6, 0.3, 0)
    labels = blended(share, share, 0.5, (1.0, 1.0))
    assert (labels[33:35, 33:35] == 2).all()
    assert (labels[5:30, 5:30] == 1).all()


# ---- speckle


def test_weights_of_the_stills_are_one_at_their_own_ends_and_keep_the_variance() -> None:
    share = np.array([0.0, 0.5, 0.9], dtype=np.float32)
    last = 17
    near, far, gain = weights(share, 1, last)
    assert near == pytest.approx(
        share * (rho(1) - share * rho(last) * rho(last - 1)) / (1 - (share * rho(last)) ** 2), rel=1e-5
    )
    assert (near[1:] > far[1:]).all()
    assert near[0] == far[0] == 0
    fresh = 1 - near**2 - far**2 - 2 * near * far * share * rho(last)
    assert gain**2 * (near**2 + far**2 + fresh) == pytest.approx(1, rel=1e-5)


def carried_back(clip: Clip, pair: Clip) -> tuple[NDArray, NDArray]:
    """The clip's residual speckle at the material points' places at ED, and the exact positions' masks at ED."""
    assert pair.spacing_mm is not None
    places = warp(pair.masks, pair.spacing_mm, half_beat(len(clip.frames))).flow
    trace = speckle_trace(clip.frames.astype(np.float32), pair.spacing_mm[0])
    whole = places.at_pixels(pair.masks.shape[1:], pair.spacing_mm)
    # position at frame t of the ED frame's material points: invert back by fixed-point iteration
    rows, columns = np.indices(pair.masks.shape[1:], dtype=np.float32)
    carried = []
    for index in range(len(trace)):
        back = whole.back(index)
        at = np.stack([columns, rows])
        for _ in range(12):
            shift = np.stack([warped(plane, at) for plane in back]) - at
            at = np.stack([columns, rows]) - shift
        carried.append(cv2.remap(trace[index], at[0], at[1], cv2.INTER_CUBIC))
    return np.stack(carried), pair.masks[0]


def lagged(carried: NDArray, inside: NDArray, lag: int) -> float:
    values = [np.corrcoef(carried[i][inside], carried[i + lag][inside])[0, 1] for i in range(1, len(carried) - lag - 1)]
    return float(np.mean(values))


def bright_wall(pair: Clip) -> NDArray:
    smooth = cv2.GaussianBlur(pair.frames[0].astype(np.float32), (0, 0), 2)
    wall = cv2.erode((pair.masks[0] == 2).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return wall & (pair.frames[0] > 0) & (smooth > np.percentile(smooth[wall], 60))


def deep_cavity(pair: Clip) -> NDArray:
    return cv2.distanceTransform((pair.masks[0] == 1).astype(np.uint8), cv2.DIST_L2, 5) * 0.8 > 5


def test_speckle_of_bright_tissue_forgets_as_real_speckle_does_and_blood_at_once(
    pairs: list[Clip], made: list[Clip]
) -> None:
    wall, blood = [], []
    for pair, clip in zip(pairs, made, strict=True):
        carried, _ = carried_back(clip, pair)
        wall.append([lagged(carried, bright_wall(pair), lag) for lag in (1, 2, 3, 5)])
        blood.append(lagged(carried, deep_cavity(pair), 1))
    assert np.median(wall, axis=0) == pytest.approx(rho(np.array([1, 2, 3, 5])), abs=0.13)
    assert np.median(blood) < 0.12


def test_a_plain_cross_fade_is_frozen_where_the_process_is_not(pairs: list[Clip]) -> None:
    """The plant for the test above: without noise the cavity's correlation is near one."""
    pair = pairs[0]
    fade = np.stack([(1 - u) * pair.frames[0].astype(np.float32) + u * pair.frames[1] for u in np.linspace(0, 1, 16)])
    trace = speckle_trace(fade, 0.8)
    assert lagged(trace, deep_cavity(pair), 1) > 0.6


def test_middle_frames_are_as_sharp_and_as_bright_as_the_stills(made: list[Clip]) -> None:
    for clip in made:
        table = frame_statistics(clip)
        share = np.linspace(0, 1, len(table))
        for name in ("sharpness", "residual"):
            expected = (1 - share) * table[name].iloc[0] + share * table[name].iloc[-1]
            assert (table[name] / expected).to_numpy() == pytest.approx(1, abs=0.1), name
        for name in ("grey_lv", "grey_myo"):
            assert table[name].iloc[1:-1].mean() / table[name].iloc[[0, -1]].mean() == pytest.approx(1, abs=0.05)


def test_a_clip_is_measured_beside_a_real_sequence(made: list[Clip]) -> None:
    """Bright tissue correlates more on moving tissue than at fixed pixels, and both fall with the lag."""
    values = measure_clip(made[0])
    for kind in ("bright_fixed", "bright_carried"):
        lags = [values[f"{kind}_{lag}"] for lag in (1, 3, 5)]
        assert lags == sorted(lags, reverse=True)
    assert values["bright_carried_3"] > values["bright_fixed_3"] + 0.1
    assert values["cavity_fixed_1"] < 0.2
    assert values["lv_rise_percent"] <= 0.5


def test_without_band_gains_middle_frames_are_blurred(pairs: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    """The plant for the test above."""
    pair = _pair(pairs[0])
    phases = half_beat(16)
    flow = warp(pair.masks, pair.spacing_mm, phases).flow
    places = flow.at_pixels(pair.fan.shape, pair.spacing_mm)
    painter = Painter(pair, flow, np.linspace(0, 1, 16), generator("test"))
    sharp = painter.paint(8, places.back(8), places.to_es(8))
    monkeypatch.setattr("harness.phantom.cine.picture._GAINS", (1.0, 1.0))
    plain = painter.paint(8, places.back(8), places.to_es(8))
    gradient = [np.hypot(*np.gradient(frame.astype(float)))[pair.fan].mean() for frame in (sharp, plain)]
    assert gradient[1] < 0.97 * gradient[0]


# ---- refusals


def refusal(pair: Clip) -> str:
    with pytest.raises(CineRefusal) as caught:
        make_clip(pair)
    assert isinstance(caught.value, DataError)
    return str(caught.value)


def with_masks(pair: Clip, change: object) -> Clip:
    masks = pair.masks.copy()
    change(masks)  # type: ignore[operator]
    return replace(pair, masks=masks)


def test_what_cannot_be_made_into_a_clip_is_refused_in_a_sentence(pairs: list[Clip]) -> None:
    pair = pairs[0]

    def no_atrium(masks: NDArray) -> None:
        masks[1][masks[1] == 3] = 0

    def no_wall(masks: NDArray) -> None:
        masks[0][masks[0] == 2] = 0

    def two_ventricles(masks: NDArray) -> None:
        masks[0][:, ::3][masks[0][:, ::3] == 1] = 0

    def swapped(masks: NDArray) -> None:
        masks[:] = masks[::-1].copy()

    def at_the_border(masks: NDArray) -> None:
        row, column = np.argwhere(masks[0] == 1).mean(axis=0).astype(int)
        masks[0][row - 10 : row + 10, :column] = 1

    assert "no left atrium" in refusal(with_masks(pair, no_atrium))
    assert "no myocardium" in refusal(with_masks(pair, no_wall)) or "mitral" in refusal(with_masks(pair, no_wall))
    assert "parts" in refusal(with_masks(pair, two_ventricles))
    assert "swapped" in refusal(with_masks(pair, swapped))
    assert "border" in refusal(with_masks(pair, at_the_border))
    assert "same picture" in refusal(replace(pair, frames=pair.frames[[0, 0]]))
    assert "pixel size" in refusal(replace(pair, spacing_mm=None))
    assert "black" in refusal(replace(pair, frames=np.stack([pair.frames[0], np.zeros_like(pair.frames[0])])))
