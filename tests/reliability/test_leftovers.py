"""What leaves this machine names no password, person or folder; what a kill leaves behind is found and removed."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import leftovers
from harness.cli._typed import typed
from harness.cli.runs import command
from harness.errors import ConfigError, without_secrets
from harness.experiments.study.storage import storage_address
from harness.files import atomic_file
from harness.store.runs import Run

SECRET = "S3cret"
URLS = [
    f"postgresql://alice:{SECRET}@db.example.org/study",
    f"postgresql+psycopg2://alice:{SECRET}@db.example.org:5432/study",
    f"postgres://u:{SECRET}@h/db",
    f"mysql://u:{SECRET}@h/db",
    f"postgresql://h/db?user=alice&password={SECRET}",
    f"postgresql://alice:p@ss{SECRET}@h/db",
]


@pytest.mark.parametrize("url", URLS)
def test_no_password_stands_in_a_recorded_command_a_sentence_or_a_traceback(url: str) -> None:
    for words in (["ablate", "modules", "--storage", url], ["ablate", "modules", f"--storage={url}"]):
        assert SECRET not in typed(words)
    assert SECRET not in without_secrets(f"connection to {url} failed: {url!r}")
    try:
        told = repr(storage_address(url, Path("x")))
    except ConfigError as error:
        told = str(error)
    assert SECRET not in told


@pytest.mark.parametrize("url", ["postgresql://u:S3cret@h:port/db", "http://u:S3cret@h"])
def test_an_address_that_cannot_be_read_is_a_sentence_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        storage_address(url, Path("x"))
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "option", ["--split-dir", "--results-dir", "--data-dir", "--reports-dir", "--storage", "--models"]
)
def test_no_home_folder_stands_in_a_recorded_command(option: str) -> None:
    for words in ([option, "/home/alice/study/x.db"], [f"{option}=/home/alice/study/x.db"]):
        assert "alice" not in typed(["bench", *words])
        assert "x.db" in typed(["bench", *words])
    assert "alice" not in typed(["ablate", "modules", "--storage", "sqlite:////home/alice/x.db"])
    assert typed(["bench", "--results-dir", "results/runs"]) == "echobench bench --results-dir results/runs"


def test_a_reason_names_no_folder_of_this_machine(finished: Run) -> None:
    finished.stop("failed", f"{finished.path}/checkpoints/last.pth is damaged; {Path.home()}/x; {URLS[0]}")
    reason = json.loads((finished.path / "run.json").read_text())["reason"]
    assert str(finished.store.root) not in reason
    assert str(Path.home()) + "/" not in reason
    assert SECRET not in reason


def test_temporary_folders_are_private_and_go_with_the_context() -> None:
    with leftovers.private_folder("echobench-test-") as folder:
        assert folder.stat().st_mode & 0o077 == 0
        assert leftovers.leftovers([folder]) == []
    assert not folder.exists()


HOLDER = """
import sys, time
from pathlib import Path
from harness.files import atomic_file
from harness.leftovers import make_private
make_private(Path(sys.argv[1]), ".phantom-1.", ".partial")
with atomic_file(Path(sys.argv[1]) / "last.pth") as stream:
    stream.write(b"half")
    stream.flush()
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        everything = sorted(tmp_path.iterdir())
        assert {path.name.split(".")[1] for path in everything} == {"phantom-1", "last"}
        for path in everything:
            os.utime(path, (time.time() - 100, time.time() - 100))
        assert leftovers.leftovers(everything) == []
    finally:
        process.kill()
        process.wait()
    assert leftovers.leftovers(everything) == everything
    # The next start of the same verb removes its own.
    made = leftovers.make_private(tmp_path, ".phantom-1.", ".partial")
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [made]
    leftovers.drop_private(made)


def test_runs_clean_lists_and_removes_leftovers_and_nothing_else(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    data = tmp_path / "data"
    kept = [finished.path / "run.json", data / "cache" / ".lock", tmp_path / "tmp" / "other"]
    gone = [
        finished.path / "checkpoints" / ".last.pth.abc.tmp",
        data / ".phantom-1.abc.partial" / "x",
        data / "cache" / ".phantom-32.abc" / "frames.u8",
        tmp_path / "tmp" / "echobench-profile-abc" / "rows.jsonl",
        tmp_path / "reports" / "s" / ".lvef.md.abc.tmp",
    ]
    for path in (*kept[1:], *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - 100, time.time() - 100))
    arguments = [
        "--clean",
        "--results-dir",
        str(finished.store.root),
        "--data-dir",
        str(data),
        "--reports-dir",
        str(tmp_path / "reports"),
    ]
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 0
    assert shown.output.count("removed: ") == 5
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
    assert "Nothing is left over" in CliRunner().invoke(command, arguments).output


def test_an_atomic_file_is_held_while_it_is_written(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "x") as stream:
        stream.write(b"1")
        (temporary,) = tmp_path.iterdir()
        with open(temporary, "rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
