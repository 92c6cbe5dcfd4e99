"""Bad input of every kind that was tried against the command line: one sentence, an exit code, and nothing left behind.

Kinds that have a table of their own are not repeated here: options and configs (``test_bad_options.py``), values of data
(``tests/data/test_stated_values.py``), records, weights and archives (``test_nothing_runs.py``), errors of the system
(``test_errors.py``), damaged stores (``test_damaged_runs.py``).
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest

from harness.cli import main
from harness.data.video import write_avi
from harness.store.runs import Run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "segment"))

from drawn_clips import ellipse_clip, ultrasound_region, write_dicom


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A folder to make files in, and a results store with one finished run."""

    folder: Path
    run: Run

    def segment(self, clip: Path | str, *more: str) -> list[str]:
        store = (
            "--results-dir",
            str(self.run.store.root),
            "--run",
            "unet-small-s0",
            "--device",
            "cpu",
            "--no-progress",
        )
        return ["segment", str(clip), *store, "--out", str(self.folder / "out"), *more]

    def video(self) -> Path:
        write_avi(self.folder / "clip.avi", ellipse_clip(), 30.0)
        return self.folder / "clip.avi"

    def nifti(self, values: np.ndarray) -> Path:
        nibabel.Nifti1Image(values, np.eye(4)).to_filename(self.folder / "a.nii")
        return self.folder / "a.nii"

    def dicom(self, without: str = "", **elements: object) -> Path:
        import pydicom

        path = write_dicom(self.folder / "a.dcm", ellipse_clip(), **elements)
        if without:
            data = pydicom.dcmread(path)
            delattr(data, without)
            data.save_as(path)
        return path

    def file(self, name: str, content: str | bytes = "x") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def fifo(self, name: str) -> Path:
        os.mkfifo(self.folder / name)
        return self.folder / name

    def echonet(self, listing: str) -> list[str]:
        self.file("e/FileList.csv", listing)
        self.file("e/VolumeTracings.csv", "FileName,X1,Y1,X2,Y2,Frame\nA.avi,1,1,2,2,0\n")
        (self.folder / "e" / "Videos").mkdir()
        return ["data", "check", str(self.folder / "e"), "--dataset", "echonet"]


TINY = (
    "--models",
    "unet",
    "--recipe",
    "smoke",
    *shlex.split("--set generate.patients=(1,1,1) --set models.unet.widths=(4,8)"),
)
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def bench(place: Place, *more: str) -> list[str]:
    return ["bench", *TINY, "--data-dir", str(place.folder / "data"), *more]


def claims(header: bytes) -> bytes:
    """The header of a NIfTI of 32767 pixels a side."""
    sizes = np.array([3, 32767, 32767, 32767], "<i2").tobytes()
    return header[:40] + sizes + header[48:]


CASES: dict[str, tuple[Callable[[Place], list[str]], str]] = {
    # M5 of the findings: places that cannot be written or read
    "results-dir is a file": (lambda p: bench(p, "--results-dir", str(p.file("results"))), "cannot be reached"),
    "results-dir in /proc": (lambda p: bench(p, "--results-dir", "/proc/x"), "/proc/x"),
    "data-dir is a file": (lambda p: ["bench", *TINY, "--data-dir", str(p.file("data"))], "data"),
    "out is a file": (lambda p: p.segment(p.video(), "--out", str(p.file("o"))), "o"),
    "out below a device": (lambda p: p.segment(p.video(), "--out", "/dev/null/x"), "/dev/null"),
    "out is the clip": (lambda p: p.segment(p.video(), "--out", str(p.folder / "clip.avi")), "clip.avi"),
    "report into a file": (lambda p: ["report", "s", "--reports-dir", str(p.file("r")), "--results-dir", str(p.folder)], "report"),
    "unpack a folder": (lambda p: ["data", "unpack", str(p.folder), "--data-dir", str(p.folder / "d")], "does not exist or is no file"),
    "unpack a text": (lambda p: ["data", "unpack", str(p.file("a.tar.gz")), "--data-dir", str(p.folder / "d")], "not a packed cache"),
    "name too long": (lambda p: ["runs", "--results-dir", str(p.folder), "diff", "a" * 300, "b"], "a"),
    # M6: text that is markup somewhere
    "markup in a clip's name": (lambda p: p.segment(p.folder / "x[y]" / "[/b].avi"), "[/b].avi does not exist"),
    "markup in a run's name": (lambda p: ["runs", "diff", "[/b]", "x", "--results-dir", str(p.folder)], "There is no run [/b]"),
    "markup in a root's name": (lambda p: ["data", "check", str(p.folder / "x[y]" / "[/b]"), "--dataset", "camus"], "x[y]/[/b]"),
    # M8: data
    "colours in NIfTI": (lambda p: p.segment(p.nifti(np.zeros((8, 8, 2), RGB))), "holds colours"),
    "complex NIfTI": (lambda p: p.segment(p.nifti(np.zeros((8, 8, 2), np.complex64))), "holds colours or other compound values"),
    "complex NPY": (lambda p: p.segment(_saved(p.folder / "a.npy", np.ones((2, 8, 8), np.complex64))), "type complex64"),
    "header of 32767 a side": (lambda p: p.segment(_edited(p.nifti(np.zeros((8, 8, 2), np.uint8)), claims)), "claims"),
    "a mask for a picture": (lambda p: p.segment(_saved(p.folder / "a.npy", np.eye(16, dtype=np.uint8)[None])), "as a mask does"),
    "empty split": (lambda p: p.echonet("FileName,EF,Split\nA,55,\n"), "the Split is"),
    "empty name": (lambda p: p.echonet("FileName,EF,Split\n,55,TRAIN\n"), "FileList.csv"),
    "DICOM without rows": (lambda p: p.segment(p.dicom(without="Rows")), "a.dcm"),
    "DICOM with a word for its frame time": (lambda p: p.segment(_edited(p.dicom(FrameTime="40"), lambda b: b.replace(b"DS\x02\x0040", b"DS\x02\x00ab"))), "a.dcm"),
    "DICOM of infinite pixels": (lambda p: p.segment(p.dicom(SequenceOfUltrasoundRegions=[ultrasound_region(0, 0, 40, 40, np.inf, np.inf)]), "--spacing", "0,0"), "must be greater than"),
    "spacing 1e-300": (lambda p: p.segment(p.video(), "--spacing", "1e-300,1e-300"), "spacing_mm must be greater than"),
    "spacing of words": (lambda p: p.segment(p.video(), "--spacing", "a,b"), "spacing"),
    "rate 0": (lambda p: p.segment(p.video(), "--frame-rate", "0"), "must be greater than 0"),
    "rate nan": (lambda p: p.segment(p.video(), "--frame-rate", "nan"), "must be"),
    "device meta": (lambda p: p.segment(p.video(), "--device", "meta"), "meta"),
    # hangs
    **{f"pipe {name}": (lambda p, name=name: p.segment(p.fifo(name)), "no regular file")
       for name in ("a.nii", "a.nii.gz", "a.avi", "a.mp4", "a.dcm", "a.png", "a.npy", "a.mha", "a", "a.xyz")},
    "pipe for a list": (lambda p: p.segment(p.fifo("clips.csv")), "clips.csv"),
    # names that would become paths
    **{f"report named {name!r}": (lambda p, name=name: bench(p, "--report", name, "--reports-dir", str(p.folder)), "")
       for name in ("../../x", "/abs", "a\nb", "..")},
    **{f"study named {name!r}": (lambda p, name=name: ["ablate", "modules", "--recipe", "smoke", "--study-name", name, "--data-dir", str(p.folder / "d"), "--reports-dir", str(p.folder)], "may not become a folder's name")
       for name in ("../../x", "/abs", "a/b")},
    "archive with a file over a folder": (lambda p: ["data", "unpack", str(_tar(p.folder / "a.tar.gz")), "--data-dir", str(p.folder / "d")], "not a packed cache"),
}  # fmt: skip


SECTIONS = {
    "results-dir is a file": "M5",
    "markup in a clip's name": "M6",
    "colours in NIfTI": "M8",
    "pipe a.nii": "hangs",
    "report named '../../x'": "names",
}
"""The first case of each kind: what it did at first says ``benchmarks/bad_inputs.py``."""


def section(name: str) -> str:
    """The kind of a case."""
    cases = list(CASES)
    return [kind for first, kind in SECTIONS.items() if cases.index(first) <= cases.index(name)][-1]


def _saved(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


def _edited(path: Path, edit: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(edit(path.read_bytes()))
    return path


def _tar(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name in ("a", "a/b"):
            archive.addfile(tarfile.TarInfo(name))
    return path


@pytest.fixture
def bounded() -> Iterator[None]:
    """What hangs fails; two minutes, because a busy machine imports slowly."""

    def stop(*_: object) -> None:
        raise AssertionError("longer than two minutes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("case", list(CASES))
def test_bad_input_is_one_sentence(
    case: str,
    finished: Run,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    bounded: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    build, words = CASES[case]
    arguments = build(Place(folder=folder, run=finished))
    with pytest.raises(SystemExit) as end:
        main(arguments)
    shown = capfd.readouterr()
    # data check tells of faults in its own list and ends with 1.
    assert end.value.code == (1 if arguments[:2] == ["data", "check"] and "Error" not in shown.err and shown.out else 2)
    # The list of data check is a table that breaks its lines: its borders are no words.
    assert words in re.sub(r"[\s│┃]+", " ", shown.err + shown.out)
    assert "Traceback" not in shown.err
    assert "A mistake of echobench itself" not in shown.err
    assert not (folder / "out").exists(), "a failing segment left a folder"
