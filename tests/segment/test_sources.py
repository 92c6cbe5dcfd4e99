"""Readers give the frames of every kind of clip in order, with what the file states and nothing more."""

from __future__ import annotations

import sys

import cv2
import nibabel
import numpy as np
import pytest
from drawn_clips import ultrasound_region, write_dicom

from harness.data.video import read_avi, write_avi
from harness.errors import ConfigError, DataError
from harness.segment import Region, open_source, with_stated


def taken(source):
    return np.stack(list(source.frames()))


def test_a_motion_jpeg_avi_reads_as_the_data_reader_reads_it(tmp_path, clip):
    write_avi(tmp_path / "a.avi", clip, 30.0)
    source = open_source(tmp_path / "a.avi")
    np.testing.assert_array_equal(taken(source), read_avi(tmp_path / "a.avi"))
    assert (source.count, source.frame_rate_hz, source.spacing_mm) == (10, 30.0, None)


def test_an_mp4_reads_as_grey_frames_near_the_written_ones(tmp_path, clip):
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (48, 64))
    for frame in clip:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    source = open_source(tmp_path / "a.mp4")
    assert np.abs(taken(source).astype(int) - clip).mean() < 4
    assert source.frame_rate_hz == 25.0


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_nifti_sequence_is_transposed_and_keeps_its_spacing(tmp_path, clip, name):
    image = nibabel.Nifti1Image(clip.transpose(2, 1, 0).astype(np.float32), np.eye(4))
    image.header.set_zooms((0.3, 0.5, 1.0))
    image.to_filename(tmp_path / name)
    source = open_source(tmp_path / name)
    np.testing.assert_array_equal(taken(source), clip)
    assert source.spacing_mm == pytest.approx((0.5, 0.3))
    assert source.frame_rate_hz is None
    np.testing.assert_array_equal(taken(source), clip, err_msg="a second pass differs")


def test_a_four_dimensional_nifti_with_one_slice_is_a_sequence(tmp_path, clip):
    nibabel.Nifti1Image(clip.transpose(2, 1, 0)[:, :, None], np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(taken(open_source(tmp_path / "a.nii.gz")), clip)


def test_a_dicom_loop_brings_region_spacing_and_frame_rate(tmp_path, clip):
    region = ultrasound_region(4, 6, 43, 59, 0.02, -0.05)
    path = write_dicom(tmp_path / "loop", clip, SequenceOfUltrasoundRegions=[region], FrameTime="40")
    source = open_source(path)
    np.testing.assert_array_equal(taken(source), clip)
    assert source.spacing_mm == pytest.approx((0.5, 0.2))
    assert source.region == Region(x=4, y=6, width=40, height=54)
    assert (source.frame_rate_hz, source.count) == (25.0, 10)


def test_a_dicom_in_colour_becomes_the_luma(tmp_path):
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    pixels[...] = (200, 100, 50)
    grey = taken(open_source(write_dicom(tmp_path / "a.dcm", pixels, CineRate="20")))
    assert set(np.unique(grey)) == {round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)}


def test_a_dicom_of_ten_bits_is_scaled_to_eight(tmp_path):
    pixels = np.full((2, 8, 8), 1023, np.uint16)
    path = write_dicom(tmp_path / "a.dcm", pixels, BitsStored=10, HighBit=9)
    assert set(np.unique(taken(open_source(path)))) == {255}


def test_two_regions_side_by_side_are_refused_until_one_is_chosen(tmp_path, clip):
    regions = [ultrasound_region(0, 0, 20, 60, 0.02, 0.02), ultrasound_region(21, 0, 40, 60, 0.03, 0.04)]
    source = open_source(write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=regions))
    assert (source.spacing_mm, source.region, source.frame_rate_hz) == (None, None, None)
    with pytest.raises(
        DataError, match=r"2 ultrasound images \(x,y,width,height: 1: 0,0,21,61; 2: 21,0,20,61\); .*--region"
    ):
        source.check_chosen()
    second = with_stated(source, picture=2)
    assert (second.region, second.pictures) == (Region(x=21, y=0, width=20, height=61), ())
    assert second.spacing_mm == pytest.approx((0.4, 0.3))
    inside = with_stated(source, region=Region(x=25, y=5, width=10, height=20))
    assert inside.spacing_mm == pytest.approx((0.4, 0.3))
    whole = with_stated(source, whole_frame=True)
    assert (whole.region, whole.spacing_mm, whole.pictures) == (None, None, ())
    with pytest.raises(ConfigError, match="no image 3"):
        with_stated(source, picture=3)


def test_the_same_region_listed_twice_is_one(tmp_path, clip):
    regions = [ultrasound_region(4, 6, 43, 59, 0.02, 0.05) for _ in range(2)]
    source = open_source(write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=regions))
    assert (source.region, source.pictures) == (Region(x=4, y=6, width=40, height=54), ())
    assert source.spacing_mm == pytest.approx((0.5, 0.2))


@pytest.mark.parametrize(
    ("elements", "rate"),
    [
        (dict(FrameTimeVector=[0, 20, 20, 30]), 3000 / 70),
        (dict(FrameTimeVector=0), None),
        (dict(RecommendedDisplayFrameRate=30, CineRate="10"), 30.0),
        (dict(FrameTime="40", FrameTimeVector=[0, 20]), 25.0),
    ],
)
def test_other_elements_state_the_frame_rate(tmp_path, clip, elements, rate):
    assert open_source(write_dicom(tmp_path / "a.dcm", clip, **elements)).frame_rate_hz == rate


def test_pixel_spacing_stands_in_where_there_is_no_region(tmp_path, clip):
    source = open_source(write_dicom(tmp_path / "a.dcm", clip, PixelSpacing=[0.3, 0.4]))
    assert source.spacing_mm == pytest.approx((0.3, 0.4))
    assert "PixelSpacing" in source.notes[0]


def test_a_file_without_preamble_is_read(tmp_path, clip):
    path = write_dicom(tmp_path / "a.dcm", clip, FrameTime="40")
    (tmp_path / "IM0001").write_bytes(path.read_bytes()[132:])
    source = open_source(tmp_path / "IM0001")
    assert source.frame_rate_hz == 25.0
    np.testing.assert_array_equal(taken(source), clip)


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("Apical two chamber", "2CH"),
        ("A4C zoom", "4CH"),
        ("apical 2-chamber", "2CH"),
        ("PLAX", None),
        ("A2C and A4C", None),
    ],
)
def test_the_view_is_read_from_its_words(tmp_path, clip, text, view):
    assert open_source(write_dicom(tmp_path / "a.dcm", clip, SeriesDescription=text)).view == view


def test_run_length_and_jpeg_loops_are_decoded_and_ybr_becomes_grey(tmp_path, clip):
    import pydicom
    from pydicom.uid import RLELossless

    path = write_dicom(tmp_path / "a.dcm", clip)
    data = pydicom.dcmread(path)
    data.compress(RLELossless)
    data.save_as(tmp_path / "rle.dcm")
    np.testing.assert_array_equal(taken(open_source(tmp_path / "rle.dcm")), clip)
    # Grey in full-range YBR: Y is the level, both colour differences are 128.
    ybr = np.stack([clip, np.full_like(clip, 128), np.full_like(clip, 128)], axis=-1)
    path = write_dicom(tmp_path / "ybr.dcm", ybr, PhotometricInterpretation="YBR_FULL")
    assert np.abs(taken(open_source(path)).astype(int) - clip).max() <= 1


def test_masks_beside_the_pictures_are_left_out_and_said(tmp_path, clip):
    for t, frame in enumerate(clip):
        cv2.imwrite(str(tmp_path / f"f{t}.png"), frame)
        cv2.imwrite(str(tmp_path / f"f{t}_mask.png"), (frame < 80) * np.uint8(255))
    source = open_source(tmp_path)
    np.testing.assert_array_equal(taken(source), clip)
    assert "10 pictures named as masks" in source.notes[0]


def test_dicom_without_pydicom_says_what_to_install(tmp_path, clip, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", clip)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ConfigError, match=r"echobench\[dicom\]"):
        open_source(path)


def test_pictures_are_read_in_the_order_of_their_numbers(tmp_path, clip):
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), clip[number - 1])
    source = open_source(tmp_path)
    np.testing.assert_array_equal(taken(source), clip[[0, 1, 9]])
    assert source.count == 3


def test_pictures_of_two_sizes_are_refused(tmp_path, clip):
    cv2.imwrite(str(tmp_path / "1.png"), clip[0])
    cv2.imwrite(str(tmp_path / "2.png"), clip[0][:-2])
    with pytest.raises(DataError, match="one size"):
        taken(open_source(tmp_path))


@pytest.mark.parametrize(
    "name", ["a.avi", "a.mp4", "a.nii.gz", "a.nii", "a.dcm", "a.png", "a.txt", "empty", "absent.avi"]
)
def test_what_cannot_be_read_is_one_sentence_with_the_path(tmp_path, name):
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif not name.startswith("absent"):
        path.write_bytes(b"this is no clip" * 40)
    with pytest.raises(DataError, match=name):
        taken(open_source(path))


def test_a_nifti_cut_short_is_named_damaged(tmp_path, clip):
    rng = np.random.default_rng(0)
    nibabel.Nifti1Image(rng.integers(0, 255, (48, 64, 10), dtype=np.uint8), np.eye(4)).to_filename(
        tmp_path / "a.nii.gz"
    )
    whole = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        taken(open_source(tmp_path / "a.nii.gz"))


def test_what_the_user_states_wins_over_the_file(tmp_path, clip):
    region = ultrasound_region(4, 6, 43, 59, 0.02, 0.05)
    source = open_source(write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=[region], FrameTime="40"))
    stated = with_stated(source, spacing_mm=(1.0, 2.0), frame_rate_hz=50.0, max_frames=3, whole_frame=True)
    assert (stated.spacing_mm, stated.frame_rate_hz, stated.region) == ((1.0, 2.0), 50.0, None)
    np.testing.assert_array_equal(taken(stated), clip[:3])


@pytest.mark.parametrize("wrong", [{"spacing_mm": (0.0, 1.0)}, {"frame_rate_hz": float("nan")}, {"max_frames": 0}])
def test_impossible_statements_are_refused(tmp_path, clip, wrong):
    write_avi(tmp_path / "a.avi", clip, 30.0)
    with pytest.raises(ConfigError):
        with_stated(open_source(tmp_path / "a.avi"), **wrong)


def test_the_real_loop_states_its_region_and_spacing(shared):
    source = open_source(shared / "data/camus_samples/a4c_cine_sonosite.dcm")
    frame = next(source.frames())
    assert (frame.shape, frame.dtype, source.count) == ((480, 640), np.uint8, 120)
    assert source.spacing_mm == pytest.approx((0.5105, 0.5105), abs=1e-4)
    assert source.frame_rate_hz == pytest.approx(30.0, abs=0.01)
    assert source.region == Region(x=84, y=31, width=512, height=384)
