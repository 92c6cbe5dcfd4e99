"""Values that no heart and no video has (EF 9999, 0 frames a second, a pixel of infinite size): refused, or unknown with a note."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from harness.clip import Case, Clip
from harness.data import EchoNet, Folder, Phantom, PreparedCache, prepare
from harness.data.camus_cfg import read_info
from harness.data.media.frames import FrameSource
from harness.data.media.metaimage import read_metaimage_values
from harness.data.media.nifti import read_nifti
from harness.data.media.source import open_source, with_stated
from harness.errors import BenchError, ConfigError, DataError
from harness.phantom.echonet_writer import EchoNetVideo, write_echonet
from harness.segment.listing import clips_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "segment"))

from drawn_clips import ultrasound_region, write_dicom

SIZES = (0.0, -0.3, float("nan"), float("inf"), 1e-30, 1e30)


def refused(words: str, work: Callable[[], Any], kind: type[BenchError] = DataError) -> None:
    with pytest.raises(kind, match=words) as caught:
        work()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("EF: 9999", "EF must be 100 or less, got 9999"),
        ("EF: -50", "EF must be 0 or more"),
        ("EF: 1e6", "EF must be 100 or less"),
        ("EF: inf", "EF must be"),
        ("EF: -nan", "EF must be a finite number"),
        ("LVef: 101", "LVef must be 100 or less"),
        ("FrameRate: 0", "FrameRate must be greater than 0"),
        ("FrameRate: -1", "FrameRate must be greater than 0"),
        ("FrameRate: inf", "FrameRate must be"),
        ("NbFrame: -1", "NbFrame must be 1 or more"),
        ("NbFrame: 0", "NbFrame must be 1 or more"),
        ("ED: -5", "ED must be 0 or more"),
        ("ES: 99999999999", "ES must be 1,000,000 or less"),
        ("LVedv: -3", "LVedv must be 0 or more"),
        ("LVesv: inf", "LVesv must be"),
        ("Age: 999", "Age must be 150 or less"),
    ],
)
def test_cfg(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "Info_4CH.cfg"
    path.write_text(f"{line}\n")
    refused(f"Info_4CH.cfg: {words}", lambda: read_info(path))


@pytest.mark.parametrize("line", ["EF: NA", "EF:", "EF: nan", "FrameRate: NA", "Age: N/A", ""])
def test_what_a_cfg_leaves_out_is_missing(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text(f"{line}\n")
    info = read_info(tmp_path / "a.cfg")
    assert (info.ef_percent, info.frame_rate_hz, info.age) == (None, None, None)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames, mask = np.arange(4 * 32 * 32, dtype=np.uint8).reshape(4, 32, 32), np.zeros((32, 32), bool)
    mask[8:24, 10:20] = True
    facts: dict[str, Any] = {
        "frames": frames,
        "masks": {0: mask, 3: mask},
        "ef_percent": 55.5,
        "edv_ml": 9,
        "esv_ml": 4,
    }
    made = [
        EchoNetVideo(name=name, split=split, **facts) for name, split in (("A", "train"), ("B", "val"), ("C", "test"))
    ]
    return write_echonet(tmp_path_factory.mktemp("values") / "echonet", made)


def changed(root: Path, name: str, column: str, value: str, tmp_path: Path) -> EchoNet:
    """The root with one cell of the first row of a table changed."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "Videos").symlink_to(root / "Videos")
    for table in ("FileList.csv", "VolumeTracings.csv"):
        rows = list(csv.DictReader((root / table).read_text().splitlines()))
        if table == name:
            rows[0][column] = value
        with open(copy / table, "w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return EchoNet(copy)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("EF", "9999", "line 2: EF must be 100 or less"),
        ("EF", "-50", "line 2: EF must be 0 or more"),
        ("EF", "1e6", "line 2: EF must be 100 or less"),
        ("EF", "inf", "line 2: EF is 'inf', which is no number"),
        ("EF", "high", "line 2: EF is 'high', which is no number"),
        ("FPS", "0", "line 2: FPS must be greater than 0"),
        ("FPS", "-1", "line 2: FPS must be greater than 0"),
        ("NumberOfFrames", "-1", "line 2: NumberOfFrames must be 1 or more"),
        ("NumberOfFrames", "0", "line 2: NumberOfFrames must be 1 or more"),
        ("NumberOfFrames", "1e30", "line 2: NumberOfFrames must be 1,000,000 or less"),
        ("NumberOfFrames", "4.5", "line 2: NumberOfFrames is 4.5, which is no whole number"),
    ],
)
def test_list_of_videos(column: str, value: str, words: str, videos: Path, tmp_path: Path) -> None:
    refused(words, changed(videos, "FileList.csv", column, value, tmp_path).verify)


def test_an_empty_cell_of_the_list_is_missing(videos: Path, tmp_path: Path) -> None:
    dataset = changed(videos, "FileList.csv", "EF", "", tmp_path)
    assert [dataset.load(case).ef_percent for case in dataset.cases("train")] == [None]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("Frame", "-5", "the frame -5 in row 2"),
        ("Frame", "1.5", "the frame 1.5 in row 2"),
        ("Frame", "1e30", "the frame 1e\\+30 in row 2"),
        ("X1", "1e30", "a point far outside any frame in row 2"),
        ("Y2", "-1e30", "a point far outside any frame in row 2"),
        ("X1", "inf", "empty or non-numeric value in row 2"),
        ("X1", "", "empty or non-numeric value in row 2"),
    ],
)
def test_tracings(column: str, value: str, words: str, videos: Path, tmp_path: Path) -> None:
    refused(words, changed(videos, "VolumeTracings.csv", column, value, tmp_path).verify)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("ef_percent", "9999", "line 2: ef_percent must be 100 or less"),
        ("ef_percent", "-50", "line 2: ef_percent is -50"),
        ("ef_percent", "inf", "line 2: ef_percent is inf"),
        ("ef_percent", "0.55", "line 2: ef_percent must be in percent, got 0.55; write 55"),
        ("frame_rate_hz", "0", "line 2: frame_rate_hz is 0"),
        ("frame_rate_hz", "1e9", "line 2: frame_rate_hz must be 10000 or less"),
        ("spacing_row_mm", "0", "line 2: spacing_row_mm is 0"),
        ("spacing_row_mm", "nan", "line 2: spacing_row_mm is nan"),
        ("spacing_row_mm", "1e-300", "line 2: spacing_mm must be greater than 0.0001"),
        ("spacing_row_mm", "1e30", "line 2: spacing_mm must be 50 or less"),
        ("spacing_row_mm", "308", "line 2: spacing_mm must be 50 or less"),
        ("ed", "-5", "line 2: ed is '-5'"),
        ("es", "1.5", "line 2: es is '1.5'"),
        ("es", "4", "line 2: ed and es are the same frame, 4"),
        ("es", "99999999999", "line 2: es must be 1,000,000 or less"),
        ("labelled", "-1", "line 2: labelled is '-1'"),
    ],
)
def test_manifest_of_ones_own_data(column: str, value: str, words: str, tmp_path: Path) -> None:
    row = {
        "clip": "a.npy",
        "mask": "m.npy",
        "patient": "p",
        "spacing_col_mm": "0.3",
        "spacing_row_mm": "0.3",
        **({"ed": "4"} if value == "4" else {}),
        column: value,
    }
    with open(tmp_path / "manifest.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        writer.writeheader()
        writer.writerow(row)
    refused(words, lambda: Folder(tmp_path))


@pytest.mark.parametrize("size", SIZES)
def test_pixel_sizes_of_headers_that_cannot_be_meant_are_unknown_and_noted(size: float, tmp_path: Path) -> None:
    frames = np.arange(2 * 12 * 10, dtype=np.uint8).reshape(2, 12, 10)
    image = nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.eye(4))
    image.header["pixdim"][1:3] = size, 0.3
    for name in ("a.nii", "a.nii.gz"):
        image.to_filename(tmp_path / name)
    head = f"NDims = 3\nDimSize = 10 12 2\nElementSpacing = {size} 0.3 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(head.encode() + frames.tobytes())
    for read in (
        *(read_nifti(tmp_path / name) for name in ("a.nii", "a.nii.gz")),
        read_metaimage_values(tmp_path / "a.mha"),
    ):
        assert read[1] is None
        assert "cannot be meant and counts as unknown" in " ".join(read[3])
    for source in (open_source(tmp_path / name) for name in ("a.nii", "a.nii.gz", "a.mha")):
        assert source.spacing_mm is None
        assert "cannot be meant and counts as unknown" in " ".join(source.notes)


@pytest.mark.parametrize("size", [0.0, float("nan"), float("inf"), 1e-30, 1e30])
def test_a_pixel_size_of_dicom_that_cannot_be_meant_is_unknown(size: float, tmp_path: Path) -> None:
    frames = np.full((2, 12, 10), 40, np.uint8)
    region = ultrasound_region(0, 0, 9, 11, 0.03, size)
    path = write_dicom(tmp_path / "a.dcm", frames, SequenceOfUltrasoundRegions=[region])
    assert open_source(path).spacing_mm is None


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"NumberOfFrames": "-1"}, "frames must be 1 or more"),
        ({"NumberOfFrames": "99999999"}, "frames must be 1,000,000 or less"),
    ],
    ids=str,
)
def test_numbers_of_frames_of_dicom(elements: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((2, 12, 10), 40, np.uint8), **elements)
    refused(words, lambda: open_source(path))


@pytest.mark.parametrize(
    "elements", [{"FrameTime": "0"}, {"FrameTime": "-40"}, {"CineRate": "0"}, {"FrameTime": "1e-9"}], ids=str
)
def test_frame_rates_of_dicom_that_cannot_be_meant_are_unknown(elements: dict[str, Any], tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((2, 12, 10), 40, np.uint8), **elements)
    assert open_source(path).frame_rate_hz is None


@pytest.mark.parametrize(
    "chosen",
    [
        *({"spacing_mm": (size, 0.3)} for size in SIZES),
        *({"frame_rate_hz": rate} for rate in (0.0, -1.0, float("nan"), float("inf"), 1e9)),
    ],
    ids=str,
)
def test_what_a_user_states_for_a_clip(chosen: dict[str, Any], tmp_path: Path) -> None:
    source = FrameSource(path=tmp_path / "a.npy", frames=lambda: iter(()))
    refused("must be", lambda: with_stated(source, **chosen), ConfigError)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("spacing_row_mm", "0"),
        ("spacing_row_mm", "inf"),
        ("spacing_row_mm", "1e-300"),
        ("frame_rate_hz", "-1"),
        ("frame_rate_hz", "1e9"),
    ],
)
def test_list_of_clips(column: str, value: str, tmp_path: Path) -> None:
    cells = {"clip": "a.nii", "spacing_row_mm": "0.3", "spacing_column_mm": "0.3", column: value}
    (tmp_path / "clips.csv").write_text(f"{','.join(cells)}\n{','.join(cells.values())}\n")
    refused(f"line 2: {column} is", lambda: clips_of(tmp_path / "clips.csv", beside=tmp_path), ConfigError)


WRONG = [{"ef_percent": 9999}, {"ef_percent": float("nan")}, {"frame_rate_hz": 0.0}, {"frame_rate_hz": float("inf")},
         *({"spacing_mm": (size, 0.3)} for size in SIZES)]  # fmt: skip


@pytest.mark.parametrize("values", WRONG, ids=str)
def test_a_clip_of_whatever_reader_cannot_hold_them(values: dict[str, Any]) -> None:
    pixels, flags = np.zeros((2, 4, 4), np.uint8), np.ones(2, bool)
    facts: dict[str, Any] = {
        "frames": pixels,
        "masks": pixels,
        "labelled": flags,
        "interpolated": flags,
        "spacing_mm": None,
    }
    case = Case(dataset="mine", split="test", patient="p", view="4CH")
    refused("The clip p_4CH: .* must be", lambda: Clip(**{"case": case, **facts, **values}))


@pytest.fixture(scope="module")
def cache(camus_root_shared: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedCache:
    place = tmp_path_factory.mktemp("values") / "cache"
    return prepare(Phantom(camus_root_shared, clip="ed_es"), image_size=16, cache_root=place, workers=1, progress=False)


@pytest.mark.parametrize("values", WRONG, ids=str)
def test_neither_can_a_prepared_cache(values: dict[str, Any], cache: PreparedCache, tmp_path: Path) -> None:
    for name in cache.manifest["files"]:
        (tmp_path / name).symlink_to(cache.path / name)
    first, *others = cache.manifest["clips"]
    (tmp_path / "manifest.json").write_text(json.dumps({**cache.manifest, "clips": [{**first, **values}, *others]}))
    refused("must be", lambda: PreparedCache.open(tmp_path))
