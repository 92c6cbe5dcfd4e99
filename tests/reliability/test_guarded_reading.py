"""Memory is taken for what a file holds, never for what it claims; want of memory is told as such; each decoder is called in guarded places."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from harness.allocator import give_back_freed_memory
from harness.data.folder_guess import _npz_facts
from harness.data.media import nifti
from harness.data.media.source import open_source
from harness.data.media.volume import read_volume
from harness.errors import DataError, NoMemoryError, decoding, explained
from harness.evaluation.mask_files import MaskFolder
from harness.results.pictures import load_pictures
from harness.schema import parsed
from harness.store.formats import table as tables
from harness.store.formats.table import TableFormat
from harness.tensors import read_tensors

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "segment"))

from drawn_clips import write_dicom
from fuzzing.attempts import bounded_memory

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = TableFormat(name="numbers", file="n.csv", columns={"run": "text", "n": "number"})
GUARDED = {
    r"np\.(load|fromfile|memmap)\(|zipfile\.ZipFile\(": ("numpy_files.py", "tensors.py", "data/prepared.py", "segment/spool.py"),
    r"gzip\.(open|GzipFile|decompress)\(|lzma\.": ("files.py", "store/formats/table.py", "data/archive.py", "segment/nifti.py", "phantom/layout.py"),
    r"tarfile\.open\(": ("data/archive.py",),
    r"torch\.load\(|safe_open\(": ("tensors.py", "segment/weights.py"),
    r"nibabel\.load\(|Image\)?\.from_(filename|stream|bytes)\(": ("data/media/nifti.py", "phantom/reading.py"),
    r"dcmread\(": ("data/media/dicom.py", "segment/report.py"),
    r"Image\.open\(": ("data/media/pictures.py", "reporting/figures/charts.py"),
    r"cv2\.(imread|imdecode|VideoCapture)\(": ("data/media/video.py", "data/video.py", "evaluation/mask_files.py", "segment/overlay.py"),
    r"yaml\.(safe_)?load\(": ("data/folder_manifest.py",),
    r"\bpickle\.|marshal\.|joblib\.|h5py|\beval\(|allow_pickle=True": (),
}  # fmt: skip
"""Calls that decode bytes, and the files that may make them: there a limit, a claim or an error is thought of."""


@pytest.mark.parametrize("call", GUARDED)
def test_bytes_are_decoded_in_guarded_places_alone(call: str) -> None:
    files = [path for room in ("harness", "baselines", "gdkvm") for path in sorted((ROOT / room).rglob("*.py"))]
    calling = {path.relative_to(ROOT).as_posix() for path in files if _calls(call, path.read_text())}
    assert calling - {f"harness/{name}" for name in GUARDED[call]} == set()


def _calls(call: str, source: str) -> bool:
    # Words of docstrings and comments are no calls; `model.eval()` is no `eval`.
    code = re.sub(r'"""[\s\S]*?"""|#.*', "", source).replace(".eval()", "")
    return re.search(call, code) is not None


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), cv2.error("(-4:Insufficient memory) Failed to allocate")],
    ids=lambda error: type(error).__module__ + type(error).__name__,
)  # fmt: skip
def test_want_of_memory_says_nothing_against_the_file(error: Exception) -> None:
    with pytest.raises(NoMemoryError, match=r"The memory ran out while reading a\.nii; close other programs") as caught, \
            decoding("a.nii", "is damaged", "restore it"):  # fmt: skip
        raise error
    assert "damaged" not in str(caught.value)
    # Also where a library has raised an error of its own over it.
    over = ValueError("bad file")
    over.__context__ = caught.value
    assert isinstance(explained(over), NoMemoryError)


@pytest.fixture
def nothing_kept() -> None:
    """What earlier tests freed is given back: blocks that this process has kept need no memory of the machine."""
    give_back_freed_memory()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A sound packed clip of 96 MB."""
    path = tmp_path / "large.nii.gz"
    image = nibabel.Nifti1Image(np.zeros((1024, 1024, 96), np.uint8), np.eye(4)).to_bytes()
    path.write_bytes(gzip.compress(image, 1))
    return path


@pytest.mark.usefixtures("nothing_kept")
def test_a_sound_file_that_does_not_fit_into_memory_is_not_called_damaged(large: Path) -> None:
    with bounded_memory(64 << 20), pytest.raises(NoMemoryError, match=r"large\.nii\.gz"):
        nifti.read_nifti(large)
    # A stream needs a frame at a time.
    with bounded_memory(64 << 20):
        assert sum(frame.shape == (1024, 1024) for frame in open_source(large).frames()) == 96


@pytest.mark.usefixtures("nothing_kept")
def test_a_checkpoint_that_does_not_fit_into_memory_is_not_called_damaged(tmp_path: Path) -> None:
    torch.save({"model": {"w": torch.zeros(1 << 24)}}, tmp_path / "best.pth")
    with bounded_memory(32 << 20), pytest.raises(MemoryError):
        read_tensors(tmp_path / "best.pth")


def _npy(path: Path, shape: tuple[int, ...]) -> bytes:
    """An array of 12 bytes whose header says another shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(12)


def _npz(path: Path, content: bytes, **options: Any) -> None:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("mask.npy", content)


def _gif(path: Path) -> None:
    frames = [Image.new("L", (1000, 1000), level) for level in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def _metaimage(path: Path, size: str, packed: bool) -> None:
    head = f"DimSize = {size}\nCompressedData = {packed}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    path.write_bytes(head.encode() + bytes(64))


def _avi(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    content = bytearray(path.read_bytes())
    mark = content.index(b"\xff\xc0")  # height and width of the frame, as its JPEG states them
    content[mark + 5 : mark + 9] = b"\xff\xdc\xff\xdc"
    path.write_bytes(content)


CLAIMS: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "NPY": ("a.npy", lambda path: path.write_bytes(_npy(path, (1 << 20, 1 << 20))), "its header claims 1099511627776 bytes"),
    "NPZ, a header": ("a.npz", lambda path: _npz(path, _npy(path, (1 << 20, 1 << 20))), "its header claims"),
    "NPZ, a member": ("a.npz", lambda path: _npz(path, _npy(path, (12,)) + bytes(3 << 20), compression=8), "claims to unpack to"),
    "GIF": ("a.gif", _gif, "its frames unpack to more than"),
    "PNG": ("a.png", lambda path: Image.new("1", (5000, 5000)).save(path), "claims frames of 5000 x 5000 pixels"),
    "MetaImage": ("a.mha", lambda path: _metaimage(path, "40000 40000 1", True), "claims frames of 40000 x 40000"),
    "MetaImage, frames": ("a.mha", lambda path: _metaimage(path, "4000 4000 900", True), "claims more than"),
    "DICOM": ("a.dcm", lambda path: write_dicom(path, np.zeros((2, 8, 8), np.uint8), Rows=60000, Columns=60000), "claims frames of 60000 x 60000"),
    "NIfTI": ("a.nii.gz", lambda path: path.write_bytes(gzip.compress(_nifti((30000, 30000)))), "claims"),
    "AVI": ("a.avi", _avi, "holds no frame|is damaged|no frame"),
}  # fmt: skip


def _nifti(size: tuple[int, int]) -> bytes:
    raw = bytearray(nibabel.Nifti1Image(np.zeros((4, 4), np.uint8), np.eye(4)).to_bytes())
    raw[40:46] = np.array([2, *size], "<i2").tobytes()
    return bytes(raw)


@pytest.mark.parametrize("kind", CLAIMS)
def test_what_a_file_claims_is_compared_before_memory_is_taken(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("numpy_files", "data.media.pictures"):
        monkeypatch.setattr(f"harness.{module}.LIMIT_BYTES", 1 << 20 if module == "numpy_files" else 2_500_000)
    name, write, words = CLAIMS[kind]
    write(tmp_path / name)
    for read in (read_volume, lambda path: list(open_source(path).frames()) or _none(path)):
        with bounded_memory(256 << 20), pytest.raises(DataError, match=words):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["\0", "/", "..", "a\x1bb", "x" * 300])
def test_a_metaimage_names_a_file_beside_it(name: str, tmp_path: Path) -> None:
    head = f"DimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = {name}\n"
    (tmp_path / "a.mhd").write_text(head)
    with pytest.raises(DataError, match=r"a\.mhd names a file of pixels that no file can be called"):
        read_volume(tmp_path / "a.mhd")


def test_a_nifti_whose_unit_is_none_is_damaged(tmp_path: Path) -> None:
    raw = bytearray(_nifti((4, 4)))
    raw[123] = 128
    (tmp_path / "a.nii").write_bytes(raw)
    for read in (read_volume, open_source):
        with pytest.raises(DataError, match=r"a\.nii is damaged or not NIfTI"):
            read(tmp_path / "a.nii")


def _none(path: Path) -> None:
    raise DataError(f"{path} holds no frame.")


def test_a_bomb_among_masks_and_pictures_is_refused_or_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.numpy_files.LIMIT_BYTES", 1 << 20)
    for name in ("p1_4CH.npz", "pictures.npz"):
        _npz(tmp_path / name, _npy(tmp_path, (12,)) + bytes(3 << 20), compression=8)
    with pytest.raises(DataError, match=r"p1_4CH\.npz cannot be read as arrays"):
        MaskFolder(tmp_path)
    assert load_pictures(tmp_path) == []
    assert _npz_facts(tmp_path / "p1_4CH.npz") == {}


@pytest.mark.parametrize("name", ["n.csv.gz", "n.csv.xz"])
def test_a_packed_table_is_read_no_further_than_a_table_can_be(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LIMIT_BYTES", 1 << 20)
    monkeypatch.setattr(tables, "RATIO_LIMIT", 2)
    text = b"run,n\n" + b"a,1\n" * (1 << 19)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else lzma.compress(text))
    with pytest.raises(DataError, match=f"{name} is damaged as numbers .it unpacks to more than 1 MB"):
        NUMBERS.read(path)
    path.write_bytes(path.read_bytes()[:-40])
    monkeypatch.setattr(tables, "LIMIT_BYTES", 1 << 30)
    with pytest.raises(DataError, match=f"{name} is damaged as numbers"):
        NUMBERS.read(path)


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 25, "1e999", "0x10", "nan"])
def test_a_whole_number_that_is_none_is_damage(number: str, tmp_path: Path) -> None:
    whole = TableFormat(name="counts", file="c.csv", columns={"run": "text", "n": "integer"})
    (tmp_path / "c.csv").write_text(f"run,n\na,{number}\n")
    with pytest.raises(DataError, match=r"c\.csv is damaged as counts"):
        whole.read(tmp_path / "c.csv")


def test_a_stream_of_xz_that_wants_gigabytes_to_be_unpacked_is_refused(tmp_path: Path) -> None:
    filters = [
        {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 3}
    ]
    header = bytearray(lzma.compress(b"run,n\na,1\n", filters=[{**filters[0], "dict_size": 1 << 16}]))
    # The size of the dictionary is one byte of the block's header, and a checksum stands behind it.
    header[16] = 37
    header[20:24] = zipfile.crc32(bytes(header[12:20])).to_bytes(4, "little")
    (tmp_path / "n.csv.xz").write_bytes(header)
    with pytest.raises(DataError, match="Memory usage limit exceeded"):
        NUMBERS.read(tmp_path / "n.csv.xz")


@dataclass(frozen=True)
class _Record:
    native_size: tuple[int, int]
    count: int


@pytest.mark.parametrize("size", [(1 << 62, 1 << 62), (4097, 4096)])
def test_a_size_that_no_frame_has_is_refused_where_it_is_read(size: tuple[int, int]) -> None:
    assert parsed(_Record, {"native_size": [4096, 4096], "count": 1 << 40}, "A clip", "prepare it").count == 1 << 40
    with pytest.raises(DataError, match=r"A clip: native_size is .*, which no frame has; prepare it"):
        parsed(_Record, {"native_size": list(size), "count": 1}, "A clip", "prepare it")
