"""A folder or a list of clips in one process: a row each, patients, failures, resumption, no two results in one place."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from drawn_clips import ellipse_clip, ellipse_frame, ultrasound_region, write_dicom

from harness.cli import main
from harness.data.video import write_avi
from harness.errors import ConfigError, DataError
from harness.segment import Settings, clips_of, open_source, segment
from harness.segment.ahead import ahead
from harness.segment.listing import ListedClip


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        main(["segment", *map(str, arguments), "--device", "cpu", "--no-progress"])
    return int(end.value.code or 0)


@pytest.fixture
def folder(tmp_path):
    """Two videos of one name in two folders, and a file that is no video though it says so."""
    root = tmp_path / "clips"
    for patient in ("p1", "p2"):
        (root / patient).mkdir(parents=True)
        write_avi(root / patient / "loop.avi", ellipse_clip(), 20.0)
    (root / "p1" / "broken.avi").write_bytes(b"no video")
    (root / "notes.docx").write_bytes(b"not looked at")
    return root


def read(table):
    return pd.read_csv(table, keep_default_na=True)


def test_a_broken_clip_is_a_row_and_the_others_are_done(tmp_path, store, folder, capsys):
    out = tmp_path / "out"
    options = ("--run", "dark", "--results-dir", store, "--out", out, "--spacing", "1,1", "--overlay", "none")
    assert run(folder, *options) == 2
    shown = capsys.readouterr()
    assert "2 clips segmented" in shown.out
    assert "1 of 3 clips failed" in shown.err
    table = read(out / "summary.csv").set_index("clip")
    assert table["status"].to_dict() == {"p1/broken.avi": "failed", "p1/loop.avi": "done", "p2/loop.avi": "done"}
    assert "cannot decode" in table.loc["p1/broken.avi", "error"]
    truth_ml = 4 / 3 * math.pi * 0.4 * 64 * (0.3 * 48) ** 2 / 1000
    assert table.loc["p2/loop.avi", "edv_ml"] == pytest.approx(truth_ml, rel=0.05)
    assert table.loc["p2/loop.avi", "beats"] == 1
    assert not (out / "p1" / "broken.avi").exists()
    assert (out / "p2" / "loop.avi" / "masks.nii.gz").is_file()


def test_work_is_resumed_and_another_result_is_refused_kept_or_replaced(tmp_path, store, folder, capsys):
    out, clip = tmp_path / "out", folder / "p1" / "loop.avi"
    options = ("--run", "dark", "--results-dir", store, "--overlay", "none")
    assert run(clip, *options, "--out", out) == 0
    before = (out / "summary.json").stat().st_mtime_ns
    assert run(clip, *options, "--out", out) == 0
    assert "Kept as it was" in capsys.readouterr().out
    assert (out / "summary.json").stat().st_mtime_ns == before
    assert run(clip, *options, "--out", out, "--max-frames", "5") == 2
    assert "--existing replace" in capsys.readouterr().err
    assert run(clip, *options, "--out", out, "--max-frames", "5", "--existing", "keep") == 0
    assert json.loads((out / "summary.json").read_text())["frames"] == 10
    assert run(clip, *options, "--out", out, "--max-frames", "5", "--existing", "replace") == 0
    assert json.loads((out / "summary.json").read_text())["frames"] == 5


def test_biplane_is_made_where_a_study_has_both_views(tmp_path, store):
    root, region = tmp_path / "dicom", [ultrasound_region(0, 0, 47, 63, 0.1, 0.1)]
    root.mkdir()
    common = dict(
        SequenceOfUltrasoundRegions=region, FrameTime="50", StudyInstanceUID="1.2.840.99.7", PatientID="SECRET"
    )
    clip = np.concatenate([ellipse_clip(20), ellipse_clip(20)])
    for name, text in (("1.2.840.1", "Apical two chamber"), ("1.2.840.2", "A4C")):
        write_dicom(root / f"{name}.dcm", clip, SeriesDescription=text, **common)
    out = tmp_path / "out"
    assert run(root, "--run", "dark", "--results-dir", store, "--out", out, "--overlay", "none") == 0
    table = read(out / "summary.csv")
    clips, patients = (table[table["row"] == kind] for kind in ("clip", "patient"))
    assert clips["view"].tolist() == ["2CH", "4CH"]
    assert clips["beats"].tolist() == [2, 2]
    (patient,) = patients.to_dict("records")
    assert (patient["patient"], patient["method"], patient["beats"]) == ("study 1", "biplane Simpson", 4)
    assert patient["ef_percent"] == pytest.approx(100 * (1 - 0.7**3), abs=3)
    assert patient["ef_percent"] == pytest.approx(clips["ef_percent"].mean(), abs=0.2), (
        "both views show the same ellipse"
    )
    for written in out.rglob("*.json"):
        assert not any(word in written.read_text() for word in ("SECRET", "1.2.840.99"))


def test_a_list_states_patient_view_and_pixel_size(tmp_path, store, folder):
    listing = tmp_path / "list.csv"
    listing.write_text(
        "clip,patient,view,spacing_row_mm,spacing_column_mm,frame_rate_hz\n"
        "clips/p1/loop.avi,A,2CH,1,1,30\nclips/p2/loop.avi,A,4CH,1,1,\n"
    )
    out = tmp_path / "out"
    assert run(listing, "--run", "dark", "--results-dir", store, "--out", out, "--overlay", "none") == 0
    table = read(out / "summary.csv")
    assert table["frame_rate_hz"].tolist()[:2] == [30, 20]
    assert table.loc[2, ["row", "patient", "method"]].tolist() == ["patient", "A", "biplane Simpson"]


def test_results_of_the_same_name_lie_apart(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    listing = tmp_path / "a" / "list.txt"
    listing.write_text("x.avi\n# a remark\n../b/y.avi\n../y.avi\n")
    names = [clip.name for clip in clips_of(listing, beside=tmp_path / "out")]
    assert names[0] == "x.avi"
    assert len(set(names)) == 3
    assert names[2].startswith("y.avi") or names[1].startswith("b/y.avi")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("clip,colour\na.avi,red\n", ConfigError, "unknown column 'colour'"),
        ("path\na.avi\n", ConfigError, "unknown column 'path'"),
        ("clip,view\na.avi,3CH\n", ConfigError, "line 2: the view '3CH'"),
        ("clip,frame_rate_hz\na.avi,fast\n", ConfigError, "line 2: frame_rate_hz is 'fast'"),
        ("clip\na.avi\na.avi\n", DataError, "listed twice"),
        ("clip\n", DataError, "names no clip"),
        ("", DataError, "cannot be read"),
    ],
)
def test_a_list_that_says_nonsense_is_refused_in_a_sentence(tmp_path, text, error, words):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(error, match=words):
        clips_of(tmp_path / "list.csv", beside=tmp_path / "out")


def test_a_folder_names_its_clips_and_leaves_out_masks_and_its_own_results(tmp_path, folder):
    write_dicom(folder / "IM0001", ellipse_clip(2))
    for name in ("a.nii.gz", "a_gt.nii.gz", "out/old.avi", "frames/f1.png", "frames/f2.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    names = [clip.name for clip in clips_of(folder, beside=folder / "out")]
    assert sorted(names) == ["IM0001", "a.nii.gz", "frames", "p1/broken.avi", "p1/loop.avi", "p2/loop.avi"]


def test_frames_come_in_order_from_the_thread_that_reads_ahead_and_its_error_after_them():
    def frames():
        for t in range(30):
            yield ellipse_frame(t, 10)
        raise DataError("cut off")

    seen = []
    with pytest.raises(DataError, match="cut off"):
        for frame in ahead(frames(), depth=2):
            seen.append(frame)
    assert len(seen) == 30
    assert all(np.array_equal(frame, ellipse_frame(t, 10)) for t, frame in enumerate(seen))


def test_the_report_has_the_numbers_and_no_patient_unless_asked(tmp_path, store):
    highdicom = pytest.importorskip("highdicom")
    import pydicom

    elements = dict(PatientName="Somebody^Else", PatientID="X77", StudyDate="20200102", StudyInstanceUID="1.2.840.5.6")
    region = [ultrasound_region(0, 0, 47, 63, 0.1, 0.1)]
    clip = write_dicom(
        tmp_path / "a.dcm", ellipse_clip(), SequenceOfUltrasoundRegions=region, FrameTime="50", **elements
    )
    options = ("--run", "dark", "--results-dir", store, "--overlay", "none")
    for identity in ("anonymous", "identified"):
        out = tmp_path / identity
        assert run(clip, *options, "--out", out, "--report", identity) == 0
        data = pydicom.dcmread(out / "report.dcm")
        text = str(data)
        told = [word in text for word in ("Somebody", "X77", "20200102")]
        assert told == [identity == "identified"] * 3
        referred = data.CurrentRequestedProcedureEvidenceSequence[0]
        assert referred.StudyInstanceUID == "1.2.840.5.6"
        source = referred.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert source.ReferencedSOPInstanceUID == pydicom.dcmread(clip).SOPInstanceUID
    groups = highdicom.sr.srread(out / "report.dcm").content.get_image_measurement_groups()
    values = {one.name.value: one.value for one in groups[0].get_measurements()}
    summary = json.loads((out / "summary.json").read_text())["single_view_estimates"][0]
    assert values["18043-0"] == pytest.approx(summary["ef_percent"], abs=0.01)
    assert values["8821-1"] == pytest.approx(summary["edv_ml"], abs=0.01)


def test_the_overlay_is_black_outside_the_region_unless_the_whole_frame_is_asked_for(tmp_path, store):
    import cv2

    region = [ultrasound_region(8, 8, 39, 55, 0.1, 0.1)]
    clip = write_dicom(tmp_path / "a.dcm", ellipse_clip(), SequenceOfUltrasoundRegions=region)
    options = ("--run", "dark", "--results-dir", store)
    for out, flags in (("cut", ()), ("whole", ("--whole-frame",))):
        assert run(clip, *options, "--out", tmp_path / out, *flags) == 0
    levels = {
        out: cv2.VideoCapture(str(tmp_path / out / "overlay.avi")).read()[1][:6].max() for out in ("cut", "whole")
    }
    assert levels["cut"] < 12
    assert levels["whole"] > 100


def test_other_pixels_under_the_same_header_are_another_clip(tmp_path, trained):
    lines = ("NDims = 2", "DimSize = 2 2", "ElementType = MET_UCHAR", "ElementDataFile = pixels.raw", "")
    (tmp_path / "a.mhd").write_text("\n".join(lines))
    origins = []
    for level in (0, 200):
        (tmp_path / "pixels.raw").write_bytes(bytes([level] * 4))
        origins.append(Settings().origin(ListedClip(path=tmp_path / "a.mhd", name="a"), trained))
    assert origins[0]["clip"] != origins[1]["clip"]
    assert origins[0]["settings"] == origins[1]["settings"]


def test_another_engine_is_another_result(tmp_path, trained):
    (tmp_path / "a.avi").write_bytes(b"x")
    listed = ListedClip(path=tmp_path / "a.avi", name="a")
    assert Settings().origin(listed, trained) != Settings().origin(listed, replace(trained, engine="compile"))


def test_a_report_that_cannot_be_made_leaves_the_earlier_result(tmp_path, trained, clip):
    pytest.importorskip("highdicom")
    path = write_dicom(tmp_path / "a.dcm", clip)
    out = tmp_path / "out"
    segment(open_source(path), trained, out, overlay="none")
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    broken = write_dicom(tmp_path / "b.dcm", clip[:, ::-1], SOPClassUID="")
    with pytest.raises(DataError, match="No DICOM report can be made"):
        segment(open_source(broken), trained, out, overlay="none", report="anonymous")
    assert {each.name: each.read_bytes() for each in out.iterdir()} == before


def test_without_highdicom_no_frame_is_segmented(tmp_path, trained, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ConfigError, match="highdicom"):
        segment(open_source(write_dicom(tmp_path / "a.dcm", clip)), trained, tmp_path / "out", report="anonymous")
    assert trained.model.begun == 0
    assert not (tmp_path / "out").exists()
