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


def test_two_regions_side_by_side_state_no_single_spacing(tmp_path, clip):
    regions = [ultrasound_region(0, 0, 20, 60, 0.02, 0.02), ultrasound_region(21, 0, 40, 60, 0.02, 0.02)]
    source = open_source(write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=regions))
    assert (source.spacing_mm, source.region, source.frame_rate_hz) == (None, None, None)


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
