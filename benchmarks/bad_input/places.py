"""Places that another user owns, a small /dev/shm, and processes that share a store: what needs a system to go wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torturing.process import VerbProcess
from torturing.verbs import VERBS

from bad_input.item import HUNG, NOBODY, PATIENCE_S, TRACEBACK, Item, Place, Said, Work
from bad_input.stores import run_of

M5 = "M5: places that cannot be written or read"
M3 = "M3: a killed job that comes back"
B1 = "B1: two processes on one store"


def places() -> list[Item]:
    """All of them."""
    return [*_of_others(), _small_shm(), *_returning(), *_racing()]


def _of_others() -> list[Item]:
    segment = ("segment", "clip.nii.gz", "--run", "unet-small-s0")
    bench = tuple(VERBS["bench"].split())
    rows: list[tuple[str, tuple[str, ...], Callable[[Path], object], str]] = [
        ("a results folder that may not be written: bench", (*bench[:-1], "models.unet.widths=(4,9)"), lambda folder: _mine(folder / "results", 0o555), "results"),
        ("a reports folder that may not be written: bench", bench, lambda folder: _mine(folder / "reports", 0o555), "reports"),
        ("a reports folder that may not be written: report", ("report", "torture"), lambda folder: _mine(folder / "reports", 0o555), "reports"),
        ("run.json that may not be read: runs", ("runs",), lambda folder: _mine(run_of(folder) / "run.json", 0), r"run\.json"),
        ("run.json that may not be read: report", ("report", "torture"), lambda folder: _mine(run_of(folder) / "run.json", 0), r"run\.json"),
        ("a current folder that may not be written: segment", segment, lambda folder: _mine(folder, 0o555, deep=False), "segmented"),
        ("a current folder that may not be written: phantom", ("bench", "--models", "unet", "--recipe", "smoke"), lambda folder: (shutil.rmtree(folder / "data"), _mine(folder, 0o555, deep=False)), "data|results|reports"),
    ]  # fmt: skip

    def work(words: tuple[str, ...], harm: Callable[[Path], object]) -> Work:
        def run(place: Place) -> Said:
            place.with_results()
            for path in (place.folder, *place.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
            (place.folder / "tmp").mkdir(exist_ok=True)
            os.chown(place.folder / "tmp", NOBODY, NOBODY)
            harm(place.folder)
            process = VerbProcess(" ".join(words), place.folder, user=NOBODY)
            code = process.wait()
            return Said(code=code, text=(place.folder / VerbProcess.LOG).read_text(errors="replace"))

        return run

    return [Item(kind=M5, name=name, before=TRACEBACK, work=work(words, harm), words=said, codes=(0, 2) if name.startswith("run.json") else (2,))
            for name, words, harm, said in rows]  # fmt: skip


def _mine(path: Path, mode: int, deep: bool = True) -> None:
    """Root's, with this mode, and all that is below it."""
    for item in (path, *(path.rglob("*") if deep and path.is_dir() else ())):
        os.chown(item, 0, 0)
        item.chmod(mode if item == path else 0o755 if item.is_dir() else 0o644)


def _small_shm() -> Item:
    """A namespace of its own in which /dev/shm has 64 kB."""
    text = f"{VERBS['bench']} --set recipe.workers=2"

    def work(place: Place) -> Said:
        inner = (
            f"mount -t tmpfs -o size=64k tmpfs /dev/shm && exec python -c 'from harness.cli import main; main()' {text}"
        )
        try:
            done = subprocess.run(["unshare", "--mount", "bash", "-c", inner], cwd=place.folder, capture_output=True, text=True, timeout=PATIENCE_S,
                                  env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            return Said(code=-9, text="hung")
        return Said(code=done.returncode, text=done.stderr)

    return Item(
        kind="M10: a small /dev/shm",
        name="64 kB and two loader workers",
        before=HUNG,
        work=work,
        words="--shm-size",
        codes=(1,),
    )


def _returning() -> list[Item]:
    """A run that says that somebody trains it, who is not there."""

    def work(verb: str, more: str, holder: dict[str, Any]) -> Work:
        def run(place: Place) -> Said:
            shutil.copytree(place.made / "data", place.folder / "data")
            shutil.copy(place.made / "tiny_study.py", place.folder)
            first = VerbProcess(f"{VERBS[verb]} {more}", place.folder)
            folder = _training(place.folder, first)
            lease = max((folder / ".claim").glob("*.json"), key=lambda path: int(path.stem))
            first.kill(group=True)
            stated = json.loads(lease.read_text())
            lease.write_text(json.dumps({**stated, **holder}))
            (place.folder / VerbProcess.LOG).unlink(missing_ok=True)
            listed = place.echobench("runs")
            said = place.echobench(*_words(f"{VERBS[verb]} {more}"))
            return Said(code=said.code or listed.code, text=said.text)

        return run

    other = {"host": "another-host", "boot": "another-boot"}
    longer = "--set recipe.iterations=60 --set recipe.val_interval=30"
    return [
        Item(kind=M3, name=f"{verb}: {name}", before=before, work=work(verb, more, holder), codes=(0,))
        for verb, more in (("bench", longer), ("ablate", longer))
        for name, before, holder in (
            ("killed on another host", "failed for ever, or waits for ever", other),
            ("its process id belongs to somebody else now", "failed for ever", {"pid": os.getpid(), "started": 1}),
        )
    ]


def _words(text: str) -> list[str]:
    import shlex

    return shlex.split(text)


def _training(folder: Path, process: VerbProcess) -> Path:
    """The run that the process trains, once it has a checkpoint."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        for path in folder.glob("results/runs/*/*/checkpoints/previous.pth"):
            run = path.parents[1]
            if json.loads((run / "run.json").read_text())["status"] == "running":
                return run
        time.sleep(0.01)
    raise RuntimeError(f"nothing was trained: {(folder / VerbProcess.LOG).read_text()[-500:]}")


def _racing() -> list[Item]:
    """One process is stopped in the middle, another does all of its work, the first goes on and is killed (or not)."""
    more = "--set recipe.iterations=120 --set recipe.val_interval=20"

    def work(end: str) -> Work:
        def run(place: Place) -> Said:
            shutil.copytree(place.made / "data", place.folder / "data")
            sleeper = VerbProcess(f"{VERBS['bench']} {more}", place.folder, aside=_aside(place, "a"))
            folder = _training(place.folder, sleeper)
            os.killpg(sleeper.pid, signal.SIGSTOP)
            other = VerbProcess(f"{VERBS['bench']} {more}", place.folder, aside=_aside(place, "b"))
            if code := other.wait():
                sleeper.kill(group=True)
                return Said(code=code, text=(_aside(place, "b") / VerbProcess.LOG).read_text())
            before = _content(folder)
            os.killpg(sleeper.pid, signal.SIGCONT)
            if end in ("SIGKILL", "SIGINT"):
                time.sleep(0.3)
                os.killpg(sleeper.pid, getattr(signal, end)) if sleeper.poll() is None else None
            code = sleeper.wait()
            changed = sorted(name for name, value in _content(folder).items() if before.get(name) != value)
            return Said(
                code=-1 if changed else 0, text=f"ended with {code}; changed: {', '.join(changed) or 'nothing'}"
            )

        return run

    def both(place: Place) -> Said:
        shutil.copytree(place.made / "data", place.folder / "data")
        two = [VerbProcess(f"{VERBS['bench']} {more}", place.folder, aside=_aside(place, name)) for name in ("a", "b")]
        codes = [process.wait() for process in two]
        (log,) = place.folder.glob("results/runs/*/*/log.jsonl")
        trained = [json.loads(line)["iteration"] for line in log.read_text().splitlines() if '"kind": "train"' in line]
        twice = len(trained) - len(set(trained))
        return Said(code=max(codes) if not twice else -1, text=f"{len(set(trained))} iterations, {twice} of them twice")

    return [
        *(Item(kind=B1, name=f"stopped, overtaken, then {end}", before=before, work=work(end), words="changed: nothing", codes=(0,))
          for end, before in (("SIGKILL", "weights of another iteration in a finished run"), ("SIGINT", "a finished run becomes interrupted"), ("nothing", "trained twice"))),
        Item(kind=B1, name="both at once", before="each iteration twice", work=both, words=", 0 of them twice", codes=(0,)),
    ]  # fmt: skip


def _aside(place: Place, name: str) -> Path:
    folder = place.folder / f"aside-{name}"
    folder.mkdir(exist_ok=True)
    return folder


def _content(run: Path) -> dict[str, bytes]:
    """Every file of a run but what each process has for itself."""
    paths = (path for path in run.rglob("*") if path.is_file() and path.suffix != ".tmp")
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in paths
        if not {".claim", "tensorboard"} & set(path.parts)
    }
