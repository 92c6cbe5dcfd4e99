"""Whole cycles, defects and oblique views: the files, their truth, and half sequences that stay what they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.phantom import command
from harness.clip import LABELS, Clip
from harness.data import Phantom
from harness.errors import ConfigError, DataError
from harness.evaluation.beats import find_beats
from harness.experiments.source import _generated, dataset_config
from harness.phantom import PhantomParameters, draw_patient, generate, read_manifest
from harness.phantom.anatomy import ViewAnatomy, volumes_ml
from harness.phantom.foreshorten import foreshortened, tilt_for
from harness.phantom.imaging import Sector
from harness.phantom.patient import Patient
from harness.phantom.regional import Defect
from harness.phantom.render import render_mask

PIXEL_MM = 1.2
OPTIONS = {"beats": 2, "breathing_mm": 2.0, "probe_mm": 0.5}


@pytest.fixture(scope="module")
def plain_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "root"
    return generate(folder, patients=(1, 0, 0), seed=5, pixel_mm=PIXEL_MM, workers=1, progress=False)


@pytest.fixture(scope="module")
def living_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("living") / "root"
    return generate(folder, patients=(1, 0, 0), seed=5, pixel_mm=PIXEL_MM, workers=1, progress=False, **OPTIONS)


def opened(root: Path, clip: str, view: str = "4CH") -> Phantom:
    """The reader of the one patient of a root; the other splits list patients that are not there, since none may be empty."""
    for patient, name in enumerate(("training", "validation", "testing"), start=1):
        (root / f"database_split/subgroup_{name}.txt").write_text(f"patient000{patient}\n")
    return Phantom(root, views=(view,), clip=clip, allow_partial=True)


def load(root: Path, clip: str, view: str = "4CH") -> Clip:
    dataset = opened(root, clip, view)
    return dataset.load(dataset.cases("train")[0])


def curve(clip: Clip) -> np.ndarray:
    return (clip.masks == LABELS["lv"]).sum(axis=(1, 2)).astype(float)


# ---- whole cycles on disk


def test_stills_and_half_sequences_are_the_same_bytes_with_and_without_options(
    plain_root: Path, living_root: Path
) -> None:
    plain = sorted(plain_root.rglob("*.nii.gz"))
    assert len(plain) == 12
    for path in plain:
        assert (living_root / path.relative_to(plain_root)).read_bytes() == path.read_bytes(), path.name
    cfg = "database_nifti/patient0001/Info_4CH.cfg"
    assert (living_root / cfg).read_text().startswith((plain_root / cfg).read_text())


def test_the_parameters_of_a_plain_root_name_no_option(plain_root: Path, living_root: Path) -> None:
    plain, living = (
        json.loads((root / "phantom.json").read_text())["parameters"] for root in (plain_root, living_root)
    )
    assert set(plain) == {"patients", "seed", "pixel_mm", "reversed_share", "generator_version"}
    assert set(living) - set(plain) == set(OPTIONS)


@pytest.mark.parametrize("view", ["2CH", "4CH"])
def test_every_frame_has_its_true_volume_and_every_beat_its_frames_and_its_ejection_fraction(
    living_root: Path, view: str
) -> None:
    clip = load(living_root, "beats", view)
    truth = read_manifest(living_root)["patients"][0]["views"][view]["cycles"]
    volumes = np.array(truth["volumes_ml"])
    assert len(volumes) == len(clip.frames)
    assert clip.labelled.all()
    assert np.corrcoef(curve(clip), volumes)[0, 1] > 0.99
    found = find_beats(curve(clip), clip.frame_rate_hz)
    assert len(found) == len(truth["beats"]) == 2
    for beat, stated in zip(found, truth["beats"], strict=True):
        assert abs(beat.ed - stated["ed"]) <= 2
        assert 0 <= beat.es - stated["es"] <= 4  # the volume stands still for 70 ms after ES
        ratio = volumes[stated["es"]] / volumes[stated["ed"]]
        assert stated["ef_percent"] == pytest.approx(100 * (1 - ratio))
    assert truth["beats"][0]["ef_percent"] == pytest.approx(
        read_manifest(living_root)["patients"][0]["ef_percent"], abs=0.5
    )
    lengths = [beat["interval_ms"] for beat in truth["beats"]]
    assert lengths[0] != lengths[1]


def test_a_cycle_is_the_first_of_the_beats_and_comes_back_to_where_it_began(living_root: Path) -> None:
    whole, first = load(living_root, "beats"), load(living_root, "cycle")
    count = len(first.frames)
    assert count < len(whole.frames)
    assert first.frames.tobytes() == whole.frames[:count].tobytes()
    assert (first.ed, first.es) == (whole.ed, whole.es)
    areas = curve(first)
    assert first.ed == 0
    assert areas[-1] == pytest.approx(areas[0], rel=0.04)
    assert areas.argmin() - first.es in range(5)


def test_a_root_without_whole_cycles_says_how_to_make_some(plain_root: Path) -> None:
    with pytest.raises(DataError, match="--beats 3"):
        opened(plain_root, "beats").verify()
    cfg = plain_root / "database_nifti/patient0001/Info_4CH.cfg"
    assert "BeatED" not in cfg.read_text()


def test_a_clip_kind_asks_the_generator_for_what_it_needs_and_a_half_sequence_for_nothing() -> None:
    half = _generated(dataset_config("phantom", {})["generate"], Path("data"))
    assert half[2] == {"patients": (60, 15, 25), "seed": 0, "pixel_mm": 0.462}
    beats = _generated(dataset_config("phantom", {"clip": "beats"})["generate"], Path("data"))
    assert beats[2]["beats"] == 3
    assert PhantomParameters(**beats[2]).frame_rate_hz == (25, 80)
    assert beats[1] != half[1]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"beats": 21}, "beats"),
        ({"defects": 1.5}, "defects"),
        ({"frame_rate_hz": (80.0, 25.0)}, "lowest and the highest"),
        ({"breathing_mm": -1.0}, "breathing_mm"),
    ],
)
def test_impossible_options_are_refused_in_a_sentence(tmp_path: Path, wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        generate(tmp_path / "root", progress=False, **wrong)  # type: ignore[arg-type]


def test_the_verb_takes_every_option(tmp_path: Path) -> None:
    arguments = [
        *(str(tmp_path / "root"), "--patients", "1,0,0", "--pixel-mm", "3", "--workers", "1", "--no-progress"),
        *("--beats", "1", "--arrhythmia", "1", "--defects", "1", "--foreshortened", "1", "--frame-rate-hz", "25,25"),
        *("--breathing-mm", "2", "--probe-mm", "1"),
    ]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    (patient,) = read_manifest(tmp_path / "root")["patients"]
    assert patient["rhythm"] == "fibrillation"
    assert patient["defect"]["territory"] in ("LAD", "RCA", "LCX")
    assert set(patient["foreshortening"]) == {"2CH", "4CH"}
    view = patient["views"]["4CH"]
    assert view["frame_rate_hz"] == 25
    assert not any(beat["kick"] for beat in view["cycles"]["beats"])
    # The planes miss the apex, so that what is seen is smaller than what is stated.
    clip = load(tmp_path / "root", "half")
    assert clip.frame_rate_hz == 25
    wrong = CliRunner().invoke(command, [str(tmp_path / "other"), "--frame-rate-hz", "25"])
    assert wrong.exit_code == 2


# ---- defects


def patient() -> Patient:
    return draw_patient(np.random.default_rng((7, 1)))


def with_defect(view: ViewAnatomy, loss: float) -> ViewAnatomy:
    from dataclasses import replace

    return replace(view, defects=(Defect(right=True, centre=0.5, extent=0.25, loss=loss),))


@pytest.mark.parametrize("loss", [0.5, 1.0, 1.2])
def test_a_defect_takes_its_share_of_the_inward_motion_on_its_side_and_nothing_on_the_other(loss: float) -> None:
    view = patient().views[1]
    rest, whole, stunned = view.outline(0.0), view.outline(1.0), with_defect(view, loss).outline(1.0)
    z, u = np.float32([0.5 * whole.length]), np.float32([1.0])
    at_rest = rest.inner(np.float32([0.5 * rest.length]))
    lost = (stunned.inner(z, u) - whole.inner(z)) / (at_rest - whole.inner(z))
    assert float(lost[0]) == pytest.approx(loss, abs=0.02)
    assert stunned.inner(z, -u) == whole.inner(z)
    for far in (0.02, 0.97):
        place = np.float32([far * whole.length])
        assert stunned.inner(place, u) == pytest.approx(whole.inner(place), abs=0.2)
    thick = float((stunned.outer(z, u) - stunned.inner(z, u))[0])
    assert (thick < float((whole.outer(z) - whole.inner(z))[0])) == (whole.side_wall > rest.side_wall)


def test_a_defect_changes_nothing_at_end_diastole_and_the_mask_at_end_systole_on_its_side_alone() -> None:
    view = patient().views[1]
    sector = Sector(depth_mm=180, half_angle=0.7, pixel_mm=1.0)
    stunned = with_defect(view, 1.0)
    assert np.array_equal(render_mask(view, 0.0, sector), render_mask(stunned, 0.0, sector))
    before, after = (render_mask(item, 1.0, sector) for item in (view, stunned))
    x, y = sector.pixel_centres()
    right = view.pose(1.0).to_local(x, y)[1] > 0
    assert np.array_equal(before[~right], after[~right])
    gained = (after == 1).sum() - (before == 1).sum()
    assert gained > 50


def test_the_more_motion_is_lost_the_lower_the_ejection_fraction() -> None:
    views = patient().views
    fractions = []
    for loss in (0.0, 0.5, 1.0, 1.2):
        edv, esv = volumes_ml([views[0], with_defect(views[1], loss)], (0.0, 1.0))
        fractions.append(100 * (1 - esv / edv))
    assert fractions[0] == pytest.approx(patient().ef_percent, abs=0.3)
    assert np.all(np.diff(fractions) < -0.5)


# ---- oblique planes


def test_a_foreshortened_view_is_shorter_by_what_was_asked_and_measures_too_small_a_volume() -> None:
    first, second = patient().views
    tilt = tilt_for(0.15, second.ed, first.ed)
    seen = foreshortened(second.ed, first.ed, tilt)
    assert seen.length == pytest.approx(0.85 * second.ed.length, rel=1e-3)
    assert seen.width <= second.ed.width
    assert seen.base * seen.width == pytest.approx(second.ed.base * second.ed.width, rel=1e-6)
    assert seen.cavity_area < second.ed.cavity_area
    same = foreshortened(second.ed, first.ed, 0.0)
    assert same.length == pytest.approx(second.ed.length)
    assert same.cavity_area == pytest.approx(second.ed.cavity_area, rel=1e-3)
