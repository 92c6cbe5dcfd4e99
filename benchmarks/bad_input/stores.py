"""Results of somebody else, damaged or edited: records, rows, pictures, weights, reports, archives, and names in them."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torturing.verbs import TINY

from bad_input.item import ACCEPTED, EXECUTED, TRACEBACK, Item, Place, Said, Work
from harness.store.spec import RunSpec

RUN = "unet-small-s0"
Edit = Callable[[Path], object]


def damaged(edit: Edit, *verbs: tuple[str, ...], codes: tuple[int, ...] = (0, 1, 2)) -> Work:
    """Each verb in a copy of the store in which the run's folder was edited; what is said of all of them."""

    def work(place: Place) -> Said:
        place.with_results()
        edit(run_of(place.folder))
        told = [place.echobench(*verb) for verb in verbs]
        bad = [said for said in told if said.code not in codes or "Traceback" in said.text]
        return bad[0] if bad else Said(code=max(said.code for said in told), text="\n".join(said.text for said in told))

    return work


def run_of(folder: Path) -> Path:
    """The folder of the only run."""
    (record,) = folder.glob("results/runs/*/*/run.json")
    return record.parent


def content(name: str, text: str | bytes) -> Edit:
    """A file of the run is this."""
    return lambda run: (run / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def record(**changes: Any) -> Edit:
    """The record says something else, under the same name."""

    def edit(run: Path) -> None:
        stated = json.loads((run / "run.json").read_text())
        for key, value in changes.items():
            stated[key] = {**stated[key], **value} if isinstance(value, dict) else value
        (run / "run.json").write_text(json.dumps(stated))

    return edit


def forged(**changes: Any) -> Edit:
    """The record says something else, and name and identity are made to fit, as somebody would who means harm."""

    def edit(run: Path) -> None:
        record(**changes)(run)
        stated = json.loads((run / "run.json").read_text())
        spec = RunSpec(**stated["spec"])
        stated |= {"name": spec.folder, "identity": spec.identity}
        (run / "run.json").write_text(json.dumps(stated))
        target = run.parents[1] / spec.folder
        if target != run:
            os.replace(run, target)

    return edit


def building(build: dict[str, Any]) -> Edit:
    """A forged record whose model is built so."""

    def edit(run: Path) -> None:
        spec = json.loads((run / "run.json").read_text())["spec"]
        forged(spec={**spec, "model": {**spec["model"], "build": build}})(run)

    return edit


def _popen() -> list[Item]:
    kind = "M1: code in data"
    popen = {"type": "subprocess.Popen", "args": ["touch", "executed"]}
    verbs: dict[str, tuple[str, ...]] = {
        "segment --run": ("segment", "clip.nii.gz", "--run", "unet-small", "--out", "out"),
        "robustness run": ("robustness", "run", "--report", "torture", "--perturbations", "haze", "--severities", "1"),
        "evaluate": ("evaluate", "unet-small"),
        "publish": ("publish", "unet-small", "--out", "x.safetensors"),
    }

    def work(*words: str) -> Work:
        def run(place: Place) -> Said:
            said = damaged(building(popen), words)(place)
            made = list(place.folder.rglob("executed"))
            return Said(code=-1, text="executed") if made else said

        return run

    def checkpoint(place: Place) -> Said:
        place.with_results()
        building(popen)(run_of(place.folder))
        said = place.echobench("segment", "clip.nii.gz", "--checkpoint", str(run_of(place.folder)), "--out", "out")
        return Said(code=-1, text="executed") if list(place.folder.rglob("executed")) else said

    return [
        Item(kind=kind, name="a record that builds Popen: segment --checkpoint", before=EXECUTED, work=checkpoint,
             words="no registered name"),
        *(Item(kind=kind, name=f"a record that builds Popen: {name}", before=EXECUTED, work=work(*words), words="registered name|no finished run|There is no|no run")
          for name, words in verbs.items()),
    ]  # fmt: skip


def _records() -> list[Item]:
    kind = "Minor: damaged stores"
    verbs = (("runs",), ("report", "torture"))
    rows: list[tuple[str, str, Edit, str]] = [
        ("run.json {}", TRACEBACK, content("run.json", "{}"), r"run\.json"),
        ("run.json []", TRACEBACK, content("run.json", "[]"), r"run\.json"),
        ("run.json binary", TRACEBACK, content("run.json", b"\x00\xff\x01"), r"run\.json"),
        ("run.json with a further key in its spec", TRACEBACK, record(spec={"surplus": 1}), r"run\.json"),
        ("cases.csv empty", TRACEBACK, content("cases.csv", ""), r"cases\.csv"),
        ("cases.csv of other columns", TRACEBACK, content("cases.csv", "a,b\n1,2\n"), r"cases\.csv"),
        ("cases.csv with a word for a value", TRACEBACK, _worded, r"cases\.csv"),
        ("cases.csv cut at byte 2000", ACCEPTED, _cut, r"cases\.csv"),
        ("profile.csv empty", TRACEBACK, content("profile.csv", ""), r"profile\.csv"),
        ("profile.csv of other columns", ACCEPTED, content("profile.csv", "a,b\n1,2\n"), r"profile\.csv"),
        ("pictures.npz of junk", TRACEBACK, content("pictures.npz", "junk"), r"pictures\.npz|written"),
        ("pictures.npz cut", TRACEBACK, lambda run: os.truncate(run / "pictures.npz", 300), r"pictures\.npz|written"),
        ("a failure's reason with [/b]", TRACEBACK, record(status="failed", reason="x [/b] [red]"), r"\[/b\]|failed"),
    ]  # fmt: skip
    items = [Item(kind=kind, name=f"{name}: runs, report", before=before, work=damaged(edit, *verbs), words=words, codes=(0, 1, 2))
             for name, before, edit, words in rows]  # fmt: skip
    items += [
        Item(kind=kind, name="suite.json {}: report", before=TRACEBACK, words=r"suite\.json", work=damaged(_suite({}), ("report", "torture"))),
        Item(kind="Minor: names that become paths", name="suite.json named ../../esc: report", before="48 files written outside",
             words=r"suite\.json|path", work=damaged(_suite({"name": "../../esc"}, keep=True), ("report", "torture"))),
        Item(kind="Minor: weights and identity", name="lr = 123 in a finished record: bench", before=ACCEPTED, words=r"run\.json",
             work=damaged(record(spec={"recipe": {"optimizer": {"lr": 123}}}), ("runs",)), codes=(0, 2)),
    ]  # fmt: skip
    return items


def _worded(run: Path) -> None:
    with open(run / "cases.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    rows[1][-1] = "word"
    with open(run / "cases.csv", "w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def _cut(run: Path) -> None:
    size = (run / "cases.csv").stat().st_size
    os.truncate(run / "cases.csv", min(2000, size * 2 // 3))


def _suite(change: dict[str, Any], keep: bool = False) -> Edit:
    def edit(run: Path) -> None:
        path = run.parents[3] / "reports" / "torture" / "suite.json"
        path.write_text(json.dumps({**(json.loads(path.read_text()) if keep else {}), **change}))

    return edit


def _weights() -> list[Item]:
    kind, best = "Minor: weights and identity", Path("checkpoints") / "best.pth"
    segment = ("segment", "clip.nii.gz", "--run", RUN, "--out", "out")

    def zeroed(run: Path) -> None:
        raw = bytearray((run / best).read_bytes())
        raw[len(raw) // 2 : len(raw) // 2 + 100] = bytes(100)
        (run / best).write_bytes(raw)

    def saved(value: Any) -> Edit:
        return lambda run: torch.save(value, run / best)

    rows: list[tuple[str, str, Edit]] = [
        ("100 bytes of best.pth zeroed", "rc 0, other weights", zeroed),
        ("best.pth of junk", TRACEBACK, content(str(best), "junk")),
        ("best.pth is a list", TRACEBACK, saved([1, 2])),
        ("best.pth is an integer", TRACEBACK, saved(5)),
        ("best.pth is gone", "called finished", lambda run: (run / best).unlink()),
    ]
    return [Item(kind=kind, name=f"{name}: segment", before=before, work=damaged(edit, segment), words=r"best\.pth", codes=(2, 3))
            for name, before, edit in rows]  # fmt: skip


def _archives() -> list[Item]:
    kind = "Minor: archives and bombs"

    def unpack(members: Callable[[tarfile.TarFile], object]) -> Work:
        def work(place: Place) -> Said:
            with tarfile.open(place.folder / "a.tar.gz", "w:gz", compresslevel=1) as tar:
                members(tar)
            said = place.echobench("data", "unpack", "a.tar.gz")
            left = [path.name for path in place.folder.glob("data/cache/*")]
            return Said(code=-1, text=f"left {left}: {said.text}") if left else said

        return work

    def bomb(tar: tarfile.TarFile) -> None:
        item = tarfile.TarInfo("cache/frames.u8")
        item.size = 1 << 30
        tar.addfile(item, _Zeros(item.size))

    def over(tar: tarfile.TarFile) -> None:
        for name in ("a", "a/b"):
            tar.addfile(tarfile.TarInfo(name))

    def link(tar: tarfile.TarFile) -> None:
        item = tarfile.TarInfo("cache/x")
        item.type, item.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(item)

    names = (
        ("1 GB of zeros in an archive", "unpacked first", bomb),
        ("a file over a folder", TRACEBACK, over),
        ("a link", "refused", link),
    )
    return [Item(kind=kind, name=f"{name}: data unpack", before=before, work=unpack(members), words=r"a\.tar\.gz is damaged or not")
            for name, before, members in names]  # fmt: skip


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._left)
        buffer[:count] = bytes(count)
        self._left -= count
        return count

    def read(self, size: int = -1) -> bytes:
        count = self._left if size < 0 else min(size, self._left)
        self._left -= count
        return bytes(count)


def _secrets() -> list[Item]:
    kind = "M11: passwords and folders"

    def quiet(*words: str) -> Work:
        def work(place: Place) -> Said:
            said = place.echobench(*words)
            if list(place.folder.glob("data/*")):
                return Said(code=-1, text=f"data were made first: {said.text}")
            texts = [
                said.text,
                *(
                    path.read_text(errors="replace")
                    for path in place.folder.rglob("*")
                    if path.is_file() and path.name != "verb.log"
                ),
            ]
            return Said(code=-1, text="tells the password") if any("S3cret" in text for text in texts) else said

        return work

    ablate = ("ablate", "modules", "--recipe", "smoke", "--storage")
    urls = (
        "postgresql://alice:S3cret@localhost:1/study", "postgres://u:S3cret@h/db", "mysql://u:S3cret@h/db", "postgresql://u:S3cret@h:port/db",
    )  # fmt: skip
    items = [Item(kind=kind, name=f"--storage {url.replace('S3cret', '***')}", before="told, or a traceback", work=quiet(*ablate, url))
             for url in urls]  # fmt: skip

    def recorded(place: Place) -> Said:
        place.with_results()
        shutil.move(place.folder / "results", place.folder / "home-of-alice")
        said = place.echobench("report", "torture", "--results-dir", str(place.folder / "home-of-alice" / "runs"))
        shown = [
            path
            for path in (place.folder / "reports").rglob("*")
            if path.is_file() and b"home-of-alice" in path.read_bytes()
        ]
        return Said(code=-1, text=f"{shown[0].name} names the folder") if shown else said

    return [
        *items,
        Item(kind=kind, name="folders of --results-dir in a report", before="recorded", work=recorded, codes=(0,)),
    ]


def _formulas() -> list[Item]:
    label = '=HYPERLINK("http://evil","x")'

    def work(place: Place) -> Said:
        place.with_results()
        run = run_of(place.folder)
        spec = json.loads((run / "run.json").read_text())["spec"]
        forged(spec={**spec, "model": {**spec["model"], "label": label}})(run)
        new = run_of(place.folder)
        manifest = place.folder / "reports" / "torture" / "suite.json"
        manifest.write_text(
            manifest.read_text().replace(f"{run.parent.name}/{run.name}", f"{new.parent.name}/{new.name}")
        )
        said = place.echobench("report", "torture")
        with open(place.folder / "reports" / "torture" / "table.csv", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        bad = [cell for cell in cells if cell.startswith("=")]
        return Said(code=-1, text=f"a formula: {bad[0]}") if bad else said

    def dollars(place: Place) -> Said:
        model = place.file("mine.py", 'label = "A $x_$ B [/b]"\nsizes = dict(small=dict(type="UNet", widths=(4, 8)))\n')
        # The widths stand in the model's own file.
        chosen = [word for item in TINY if "unet" not in item for word in ("--set", item)]
        return place.echobench(
            "bench", "--models", model, "--views", "4CH", "--recipe", "smoke", "--seeds", "0", *chosen
        )

    kind = "M6: text that is markup"
    return [
        Item(
            kind="Minor: formulas in CSV",
            name="a label =HYPERLINK(...): report",
            before="a formula",
            work=work,
            codes=(0,),
        ),
        Item(
            kind=kind, name="a label 'A $x_$ B [/b]': bench with its report", before=TRACEBACK, work=dollars, codes=(0,)
        ),
    ]


def _two_patients() -> list[Item]:
    kind = "M2: two clips of one name"

    def uids(place: Place) -> Said:
        place.with_results()
        clip = (place.folder / "clip.nii.gz").read_bytes()
        told = []
        for name in ("1.2.840.113619.2.1.nii.gz", "1.2.840.113619.2.2.nii.gz"):
            place.file(name, clip)
            told.append(place.echobench("segment", name, "--run", RUN, "--overlay", "none"))
        made = sorted(path.name for path in (place.folder / "segmented").iterdir())
        return Said(code=max(said.code for said in told) if len(made) == 2 else -1, text=str(made))

    def folders(place: Place) -> Said:
        import nibabel

        place.with_results()
        image: Any = nibabel.load(place.folder / "clip.nii.gz")
        told = []
        for index, name in enumerate(("p1", "p2")):
            (place.folder / name).mkdir()
            pixels = np.asarray(image.dataobj)[index:].copy()
            nibabel.save(nibabel.Nifti1Image(pixels, image.affine), place.folder / name / "loop.nii.gz")
            told.append(place.echobench("segment", f"{name}/loop.nii.gz", "--run", RUN, "--overlay", "none"))
        return told[1]

    return [
        Item(
            kind=kind,
            name="two UIDs that differ in their last part",
            before="the second replaces the first",
            work=uids,
            codes=(0,),
        ),
        Item(
            kind=kind,
            name="p1/loop and p2/loop",
            before="the second replaces the first",
            work=folders,
            words="holds the result of another clip",
        ),
    ]


def _leftovers() -> list[Item]:
    def work(place: Place) -> Said:
        place.with_results()
        run = run_of(place.folder)
        names = [run / "checkpoints" / ".last.pth.abc.tmp", place.folder / "data" / ".phantom-1.abc.partial" / "x",
                 place.folder / "tmp" / "echobench-profile-abc" / "rows.jsonl", place.folder / "reports" / "torture" / ".a.md.b.tmp"]  # fmt: skip
        for path in names:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        for path in place.folder.rglob("*"):
            os.utime(path, (time.time() - 100,) * 2)
        said = place.echobench("runs", "--clean")
        left = [path.name for path in names if path.exists()]
        return Said(code=-1, text=f"left {left}: {said.text}") if left else said

    return [
        Item(
            kind="Minor: leftovers",
            name="what killed processes leave: runs --clean",
            before="stays for ever",
            work=work,
            words="removed",
            codes=(0,),
        )
    ]


def stores() -> list[Item]:
    """All of them."""
    return [
        *_popen(),
        *_records(),
        *_weights(),
        *_archives(),
        *_secrets(),
        *_formulas(),
        *_two_patients(),
        *_leftovers(),
    ]
