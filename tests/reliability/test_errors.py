"""Every expected failure is one sentence and an exit code; text stays text in every language that it is put into."""

from __future__ import annotations

import errno
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure

from harness.cli import UNEXPECTED, told
from harness.errors import BenchError, DiskFullError, TrainingError, explained, unmasked
from harness.experiments.worklist import Task, Worklist
from harness.files import atomic_file, write_text
from harness.reporting.figures.style import save
from harness.reporting.render.text import to_csv
from harness.reporting.tables.table import Column, Row, Table
from harness.results.pictures import load_pictures
from harness.results.run_results import read_run
from harness.store.formats.cases import CASES
from harness.store.runs import Run, RunStore
from harness.terminal import console
from harness.training import checkpoints

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = [
    *(code for code in ("EROFS", "EACCES", "EPERM", "ENOTDIR", "EISDIR", "EEXIST", "ENOTEMPTY", "ENOENT")),
    *("ENAMETOOLONG", "ELOOP", "EMFILE", "ENFILE", "EFBIG", "EIO", "ESTALE", "ETIMEDOUT", "ENOMEM", "ENOSPC", "EDQUOT"),
]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_error_of_a_file_system_is_a_sentence_that_names_the_file(name: str) -> None:
    code = getattr(errno, name)
    sentence, exit_code = told(OSError(code, "as the system says it", "/data/run.json"))
    assert "/data/run.json" in sentence
    assert "\n" not in sentence
    assert exit_code == 2
    assert isinstance(explained(OSError(code, "x", "y")), DiskFullError) == (name in ("ENOSPC", "EDQUOT"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory ran out"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "memory ran out"),
        (torch.OutOfMemoryError("CUDA out of memory"), "memory ran out"),
        (TrainingError("The loss is not finite."), "The loss is not finite."),
    ],
)
def test_want_of_memory_is_a_sentence(error: BaseException, words: str) -> None:
    assert words in told(error)[0]


def test_a_current_folder_that_is_gone_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        Path("results").mkdir()
    assert "The current folder is no longer there" in told(caught.value)[0]
    monkeypatch.chdir(tmp_path)


def test_a_mistake_of_our_own_leaves_its_traceback_in_a_file_that_the_sentence_names() -> None:
    try:
        {}["missing"]
    except KeyError as error:
        sentence, code = told(error)
    path = re.search(r"traceback is in (\S+),", sentence)
    assert code == UNEXPECTED
    assert path is not None
    file = Path(path.group(1))
    assert "test_a_mistake_of_our_own" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    file.unlink()


class _Failing(io.BytesIO):
    """Raises at the n-th write."""

    def __init__(self, error: BaseException, after: int) -> None:
        super().__init__()
        self.error, self.left = error, after

    def write(self, content: Any, /) -> int:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().write(content)


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_torch_cannot_hide_a_full_disk_or_ctrl_c(
    error: BaseException, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import files

    class Failing(files._Stream):
        left = after

        def write(self, content: Any, /) -> int:
            self.left -= 1
            if self.left < 0:
                self.first = self.first or error
                raise error
            return super().write(content)

    monkeypatch.setattr(files, "_Stream", Failing)
    wanted = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else DiskFullError
    with pytest.raises(wanted):
        checkpoints.save(tmp_path / "last.pth", {"model": {"w": torch.zeros(64, 64)}})
    assert list(tmp_path.iterdir()) == []


def test_what_a_library_raised_over_is_found() -> None:
    raised = RuntimeError("unexpected pos 596480 vs 596372")
    raised.__context__ = OSError(errno.ENOSPC, "full")
    assert unmasked(raised) is raised.__context__
    assert told(raised)[0].startswith("The disk is full")


def test_a_suite_stops_on_a_full_disk_instead_of_starting_the_next_run(store: RunStore, finished: Run) -> None:
    import dataclasses

    runs = [store.open(dataclasses.replace(finished.spec, seed=seed)) for seed in (1, 2)]
    tried = []

    def carry_out(run: Run, maker: Run | None) -> None:
        tried.append(run.name)
        raise DiskFullError("The disk is full.")

    with pytest.raises(DiskFullError):
        Worklist([Task(run=run) for run in runs], carry_out, tell=lambda line: None).work()
    assert tried == [runs[0].name]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "5", "\x00\xff", "[" * 100_000, '{"name": 1e999}'])
def test_a_damaged_record_never_blocks_the_others(content: str, store: RunStore, finished: Run, tmp_path: Path) -> None:
    other = store.root / "phantom" / "damaged-s0-0000000000"
    other.mkdir()
    (other / "run.json").write_text(content)
    assert [run.name for run in store.all()] == [finished.name]
    (sentence,) = store.damaged().values()
    assert "run.json" in sentence
    assert "\n" not in sentence


CASE = "run,model,seed,case\n"


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"run"])
def test_a_damaged_table_is_told_in_its_place_and_the_report_goes_on(content: bytes, finished: Run) -> None:
    (finished.path / "cases.csv").write_bytes(content)
    read = read_run(finished)
    assert read.status == "damaged"
    assert "cases.csv" in str(read.reason)


def test_a_table_that_was_cut_is_no_shorter_table(finished: Run) -> None:
    row = {"seed": 0, "frame": 0, "value": 91.25}
    table = CASES.empty().reindex(range(3)).assign(**{name: row.get(name, "x") for name in CASES.columns})
    table = table.astype({name: int for name, kind in CASES.columns.items() if kind == "integer"} | {"value": float})
    CASES.write(table, finished.path / "cases.csv")
    assert len(CASES.read(finished.path / "cases.csv")) == 3
    whole = (finished.path / "cases.csv").read_bytes()
    (finished.path / "cases.csv").write_bytes(whole[:-2])
    with pytest.raises(BenchError, match=r"cases\.csv is damaged .*cut off"):
        CASES.read(finished.path / "cases.csv")


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 cut"])
def test_damaged_pictures_are_left_out(content: bytes, finished: Run) -> None:
    (finished.path / "pictures.npz").write_bytes(content)
    assert load_pictures(finished.path) == []


NASTY = ["[/b]", "x[y]/z[/b]", "[red]", ":smile:", "A $x_$ B", "$", "a\\_$b", "<script>", "\\write18{ls}", "#{x}%"]


def test_text_is_text_on_the_terminal() -> None:
    stream = io.StringIO()
    console(file=stream, width=200).print(*NASTY, sep="\n")
    assert stream.getvalue().splitlines() == NASTY


def test_every_console_of_the_house_is_that_one() -> None:
    made = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "harness").rglob("*.py"))
        if re.search(r"(?<![\w.])Console\(", path.read_text()) and path.name != "terminal.py"
    ]
    assert made == []


def test_text_is_text_in_a_figure(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 2))
    axes = figure.add_subplot()
    axes.plot([1, 10], [1, 2], label=NASTY[4])
    axes.set_xscale("log")
    axes.set_title(NASTY[4])
    axes.set_xlabel(NASTY[6])
    axes.set_yticks([1, 2], [NASTY[4], NASTY[5]])
    axes.legend()
    assert all(path.stat().st_size > 0 for path in save(figure, tmp_path, "nasty"))


@pytest.mark.parametrize("label", ['=HYPERLINK("http://evil","x")', "+1+2", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_executes_no_label(label: str) -> None:
    table = Table(
        name="t",
        title="t",
        stub="Model",
        columns=(Column(key="dice", header="Dice"),),
        rows=(Row(label=label, cells={}),),
        caption="",
    )
    line = to_csv(table).split("\n", 1)[1].lstrip('"')
    # Either text by its first letter, or no control character at all any more.
    assert line[0] not in "=+-@\t\r"


def test_an_atomic_file_names_the_file_in_any_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match=r"run\.json"):
        write_text(tmp_path / "run.json", json.dumps({}))
    with pytest.raises(OSError, match=r"x\.bin"), atomic_file(tmp_path / "x.bin") as stream:
        stream.write(b"1")
    assert list(tmp_path.iterdir()) == []
