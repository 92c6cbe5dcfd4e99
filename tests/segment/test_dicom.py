"""What a DICOM loop states about itself, field by field, and what is made of fields that are absent or odd."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_clips import ultrasound_region, write_dicom

from harness.errors import DataError
from harness.segment import Region, open_source


@pytest.fixture
def described(tmp_path, clip):
    """A loop of the 64 x 48 clip with one region and any other elements."""

    def write(region=None, **elements):
        regions = [] if region is None else [region]
        return open_source(
            write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=regions, **elements),
        )

    return write


def changed(**elements):
    """The usual region with some elements set, or removed where the value is None."""
    region = ultrasound_region(4, 6, 43, 59, 0.02, 0.05)
    for name, value in elements.items():
        if value is None:
            delattr(region, name)
        else:
            setattr(region, name, value)
    return region


def test_a_region_that_overruns_the_frame_is_cut_to_it(described):
    assert described(ultrasound_region(4, 6, 60, 80, 0.02, 0.05)).region == Region(x=4, y=6, width=44, height=58)


def test_a_region_that_ends_on_the_last_pixel_is_kept_whole(described):
    assert described(ultrasound_region(0, 0, 47, 63, 0.02, 0.05)).region == Region(x=0, y=0, width=48, height=64)


@pytest.mark.parametrize(
    "corners", [(10, 6, 10, 59), (10, 6, 9, 59), (4, 20, 43, 20), (60, 6, 70, 59), (4, 70, 43, 80)]
)
def test_a_region_without_area_inside_the_frame_is_no_region(described, corners):
    assert described(ultrasound_region(*corners, 0.02, 0.05)).region is None


def test_the_smallest_region_has_two_pixels_a_side(described):
    assert described(ultrasound_region(4, 6, 5, 7, 0.02, 0.05)).region == Region(x=4, y=6, width=2, height=2)


@pytest.mark.parametrize(
    "corner", ["RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1"]
)
def test_a_region_without_one_of_its_corners_still_states_the_spacing(described, corner):
    source = described(changed(**{corner: None}))
    assert source.region is None
    assert source.spacing_mm == pytest.approx((0.5, 0.2))


@pytest.mark.parametrize("element", [{"RegionSpatialFormat": 3}, {"RegionDataType": 2}])
def test_a_region_of_another_kind_is_no_tissue(described, element):
    source = described(changed(**element))
    assert (source.region, source.spacing_mm) == (None, None)


def test_a_spectrum_beside_the_tissue_does_not_count(tmp_path, clip):
    regions = [ultrasound_region(0, 0, 20, 20, 0.1, 0.1), changed()]
    regions[0].RegionSpatialFormat = 3
    source = open_source(write_dicom(tmp_path / "a.dcm", clip, SequenceOfUltrasoundRegions=regions))
    assert source.region == Region(x=4, y=6, width=40, height=54)
    assert source.spacing_mm == pytest.approx((0.5, 0.2))


@pytest.mark.parametrize("element", [{"PhysicalUnitsXDirection": 4}, {"PhysicalUnitsYDirection": 4}])
def test_a_unit_other_than_centimetres_states_no_spacing(described, element):
    source = described(changed(**element))
    assert source.spacing_mm is None
    assert source.region == Region(x=4, y=6, width=40, height=54)


@pytest.mark.parametrize("axis", "XY")
@pytest.mark.parametrize("value", [0.0, None])
def test_a_spacing_that_is_zero_or_absent_is_none(described, axis, value):
    assert described(changed(**{f"PhysicalDelta{axis}": value})).spacing_mm is None


@pytest.mark.parametrize(
    ("elements", "rate"),
    [
        (dict(FrameTime="40", CineRate="10"), 25.0),
        (dict(FrameTime="0.5"), 2000.0),
        (dict(FrameTime="0", CineRate="10"), 10.0),
        (dict(FrameTime="-40", CineRate="10"), 10.0),
        (dict(CineRate="1"), 1.0),
        (dict(CineRate="0"), None),
        (dict(CineRate="-5"), None),
        ({}, None),
    ],
)
def test_the_frame_time_decides_the_rate_and_the_cine_rate_stands_in(described, elements, rate):
    assert described(**elements).frame_rate_hz == rate


def test_one_picture_without_a_number_of_frames_is_one_frame(tmp_path, clip):
    path = write_dicom(tmp_path / "a.dcm", clip[:1])
    import pydicom

    data = pydicom.dcmread(path)
    if "NumberOfFrames" in data:
        del data.NumberOfFrames
    data.save_as(path)
    source = open_source(path)
    assert (source.path, source.count) == (path, 1)
    np.testing.assert_array_equal(next(source.frames()), clip[0])


def test_inverted_grey_is_turned_round(tmp_path, clip):
    path = write_dicom(tmp_path / "a.dcm", clip, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(np.stack(list(open_source(path).frames())), 255 - clip)


@pytest.mark.parametrize(("bits", "level", "grey"), [(8, 200, 200), (10, 512, 128), (12, 4095, 255), (16, 65535, 255)])
def test_deep_pixels_keep_their_eight_upper_bits(tmp_path, bits, level, grey):
    dtype = np.uint8 if bits <= 8 else np.uint16
    path = write_dicom(tmp_path / "a.dcm", np.full((2, 8, 8), level, dtype), BitsStored=bits, HighBit=bits - 1)
    assert set(np.unique(np.stack(list(open_source(path).frames())))) == {grey}


@pytest.mark.parametrize(("bits", "scale"), [(8, 1), (16, 257)])
def test_a_palette_gives_colours_and_they_become_the_luma(tmp_path, bits, scale):
    palette = {}
    for colour, levels in (("Red", (0, 200)), ("Green", (0, 100)), ("Blue", (0, 50))):
        words = np.asarray([scale * level for level in levels], np.uint16 if bits == 16 else np.uint8)
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [2, 0, bits]
        palette[f"{colour}PaletteColorLookupTableData"] = words.tobytes()
    pixels = np.zeros((2, 8, 8), np.uint8)
    pixels[:, :4] = 1
    path = write_dicom(tmp_path / "a.dcm", pixels, PhotometricInterpretation="PALETTE COLOR", **palette)
    frame = next(open_source(path).frames())
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert np.all(frame[:4] == luma)
    assert np.all(frame[4:] == 0)


def test_pixels_that_cannot_be_decoded_are_one_sentence(tmp_path, clip):
    path = write_dicom(tmp_path / "a.dcm", clip)
    import pydicom

    data = pydicom.dcmread(path)
    data.PixelData = data.PixelData[: len(data.PixelData) // 2]
    data.save_as(path)
    with pytest.raises(DataError, match=r"The pixels of .*a\.dcm cannot be decoded \(.*\); pip install") as caught:
        list(open_source(path).frames())
    assert "\n" not in str(caught.value)
    assert "(None)" not in str(caught.value)


def test_a_file_that_is_no_dicom_says_why(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no dicom" * 40)
    with pytest.raises(DataError, match=r"a\.dcm is damaged or not a DICOM image \(.+\); restore"):
        open_source(tmp_path / "a.dcm")
