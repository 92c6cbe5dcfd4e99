"""A short visit to a machine with a CUDA device: one command, the most valuable first, and the next visit goes on.

    python benchmarks/gpu_check.py --minutes 9 --root PREPARED        (docs/gpu.md has every step)
    python benchmarks/gpu_check.py --minutes 3 --dry-run              (the same on a CPU, in miniature)

Parts, each told when it is done: the machine; the CUDA tests; profiles of the five models at paper size (eager and
cuda_graph; fp32, TF32, bf16; memory from 10 to 300 frames); what deterministic kernels cost; then all five are trained
on CAMUS stills, every model and seed alike, for as long as the rest of the time. What is finished is not done again.
After every part OUT/gpu_check.tar.gz holds all tables and records, without checkpoints.

Nothing is downloaded. Without an installed echobench the checkout itself is used; missing packages are taken from --wheels.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = "gpu_check.tar.gz"
LEFT_OUT = ("checkpoints", "tensorboard", "site", "data")
PAPER = "gdkvm,unet,transunet,stm,xmem"
MILESTONES = "recipe.schedule.milestones"


@dataclasses.dataclass(kw_only=True)
class Visit:
    """What one call may use, and where it leaves its results."""

    out: Path
    minutes: float
    dry: bool
    root: str | None
    iterations: int
    began: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds left; a tenth of a minute is kept for the archive."""
        return 60 * self.minutes - (time.monotonic() - self.began) - 6

    @property
    def done(self) -> dict[str, str]:
        """Parts that this or an earlier visit has finished, with what it said of them."""
        path = self.out / "parts.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def finish(self, part: str, told: str) -> None:
        (self.out / "parts.json").write_text(json.dumps({**self.done, part: told}, indent=1))

    def run(self, part: str, *arguments: str, share: float = 1.0) -> tuple[int, str]:
        """A Python module with its arguments; its output in OUT/PART.log. Exit code (124: out of time) and the last line."""
        limit = max(1.0, self.left_s * share)
        with open(self.out / f"{part}.log", "a+", encoding="utf-8") as log:
            command = [sys.executable, "-m", *arguments]
            # A session of its own: what it has started itself must end with it, or it would disturb what comes next.
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = 124
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.seek(0)
            lines = [line.strip() for line in log if line.strip()]
        return code, lines[-1][:160] if lines else ""


def machine(visit: Visit) -> str | None:
    """Device, driver, CUDA, cuDNN, as torch and the driver tell them."""
    asks = "import json, torch; from harness.store.environment import *; print(json.dumps({**code_version(), **environment()}))"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        return None
    (visit.out / "machine.json").write_text(done.stdout)
    facts = json.loads(done.stdout)
    return str(facts.get("cuda") or "no CUDA device")


def cuda_tests(visit: Visit) -> str | None:
    """Everything that is marked ``cuda``: models, engines, graphs, resume and twice the same bits for all five."""
    only = ["--collect-only"] if visit.dry else []
    rooms = ["tests/engines", "tests/contracts", "tests/training"]
    code, last = visit.run("tests", "pytest", "-q", "-p", "no:cacheprovider", "-m", "cuda", *only, *rooms, share=0.3)
    return None if code == 124 else f"exit code {code}: {last}"


def profiles(name: str, *options: str) -> Callable[[Visit], str | None]:
    """The five models in one precision."""

    def part(visit: Visit) -> str | None:
        size = [
            "--models",
            PAPER,
            "--size",
            "paper",
            "--device",
            "cuda",
            "--engines",
            "eager,cuda_graph",
            "--repeats",
            "15",
        ]
        if visit.dry:
            size = ["--models", "unet", "--size", "small", "--device", "cpu", "--engines", "eager", "--repeats", "3", "--warmup",
                    "1", "--image-size", "32", "--threads", "1"]  # fmt: skip
        lengths = "10" if visit.dry or name != "fp32" else "10,32,100,300"
        where = ["--out", str(visit.out / "profile"), "--memory-frames", lengths]
        code, last = visit.run(f"profile-{name}", "harness", "profile", *size, *where, *options, share=0.35)
        return None if code == 124 else f"exit code {code}: {last}"

    return part


def bench(visit: Visit, results: str, seeds: str, minutes: float, *more: str) -> tuple[int, str]:
    """``echobench bench`` on the visit's data, in its store."""
    data = ["--dataset", "camus", "--root", str(visit.root), "--views", "4CH", "--clip", "ed_es", "--allow-partial"]
    suite = ["--suite", "paper", *data, "--set", "profile.repeats=5", "--set", "profile.memory_lengths=(10,)"]
    if visit.dry:
        tiny = ["generate.patients=(2,1,2)", "generate.pixel_mm=1.6", "recipe.image_size=32", "recipe.clip_length=2",
                "recipe.test_clip_length=2", "recipe.batch_size=2", "models.unet.widths=(4,8)", "profile.repeats=3",
                "profile.patience_s=0"]  # fmt: skip
        suite = ["--models", "unet", *(word for item in tiny for word in ("--set", item))]
    folders = ["--data-dir", str(visit.out / "data"), "--results-dir", str(visit.out / results)]
    folders += ["--reports-dir", str(visit.out / f"{results}-reports")]
    return visit.run(
        results, "harness", "bench", *suite, *folders, "--seeds", seeds, "--time-limit", f"{minutes:.2f}", *more
    )


def determinism(visit: Visit) -> str | None:
    """Training frames per second of the five models with and without deterministic kernels: 30 steps each."""
    if visit.root is None and not visit.dry:
        return None
    told = []
    for word in ("True", "False"):
        settings = [
            f"recipe.deterministic={word}",
            "recipe.iterations=30",
            "recipe.val_interval=30",
            f"{MILESTONES}=[]",
        ]
        chosen = [part for item in settings for part in ("--set", item)]
        code, _ = bench(
            visit, f"deterministic-{word}", "0", visit.left_s * 0.25 / 60, *chosen, "--set", "profile.complexity=False"
        )
        logs = sorted((visit.out / f"deterministic-{word}").rglob("log.jsonl"))
        told += [f"{path.parent.name}: {_speed(path)} frames/s" for path in logs]
        if code == 124:
            return None
    return "; ".join(told)


def _speed(log: Path) -> str:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    speeds = [line["frames_per_second"] for line in lines if "frames_per_second" in line]
    return f"{speeds[-1]:.1f}" if speeds else "?"


def training(visit: Visit) -> str | None:
    """All five models, seed after seed, as far as the time reaches; never done, because there is always another seed."""
    if visit.root is None and not visit.dry:
        print("  no data: give --root (a prepared folder of CAMUS at 256 px)")
        return None
    third = visit.iterations // 3
    chosen = ["--set", f"recipe.iterations={visit.iterations}", "--set", f"{MILESTONES}=[{third}, {2 * third}]"]
    for seeds in ["0"] if visit.dry else ["0", "0,1", "0,1,2", "0,1,2,3,4"]:
        if visit.left_s < 30 and not visit.dry:
            break
        # Half a minute for the report that is made from what is finished.
        code, last = bench(visit, "results", seeds, max(0.1, visit.left_s / 60 - 0.5), *chosen)
        print(f"  seeds {seeds}: exit code {code}: {last}", flush=True)
        if code:
            break
    return None


PARTS: dict[str, Callable[[Visit], str | None]] = {
    "machine": machine,
    "tests": cuda_tests,
    "profile-fp32": profiles("fp32"),
    "profile-bf16": profiles("bf16", "--precision", "bf16"),
    "profile-tf32": profiles("tf32", "--tf32"),
    "determinism": determinism,
    "training": training,
}


def announce(site: Path) -> None:
    """Let the checkout's entry points be found without installing it: without them there are no models."""
    try:
        metadata.distribution("echobench")
        return
    except metadata.PackageNotFoundError:
        pass
    text = (ROOT / "pyproject.toml").read_text()
    groups = re.findall(r'^\[project\.entry-points\."([\w.]+)"\]\n((?:\w+ = "[\w.:]+"\n)+)', text, re.MULTILINE)
    info = site / "echobench-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    version = re.search(r'^version = "(.+)"', text, re.MULTILINE)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: echobench\nVersion: {version.group(1) if version else 0}\n"
    )
    (info / "entry_points.txt").write_text(
        "\n".join(f"[{name}]\n{lines.replace(chr(34), '')}" for name, lines in groups)
    )


def install(wheels: Path, site: Path) -> None:
    """Put wheels that were brought along where Python finds them; no index is asked."""
    files = [str(path) for path in sorted(wheels.glob("*.whl"))]
    options = ["--no-index", "--no-deps", "--no-compile", "--quiet", "--upgrade", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *files], check=True)


def archive(out: Path) -> Path:
    """Tables, records, logs and reports in one file."""
    path = out / ARCHIVE
    with tarfile.open(path, "w:gz") as stream:
        for file in sorted(out.rglob("*")):
            inside = file.relative_to(out)
            if file.is_file() and file != path and not any(part in LEFT_OUT for part in inside.parts):
                stream.add(file, Path("gpu_check") / inside)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="time of this visit")
    parser.add_argument("--root", help="prepared CAMUS at 256 px (echobench data prepare ... --image-size 256)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "gpu_check", help="what is there is not done again"
    )
    parser.add_argument("--iterations", type=int, default=600, help="of each training; another number is another run")
    parser.add_argument("--commit", help="of a checkout that travels without its .git")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to be used, where packages are missing")
    parser.add_argument("--dry-run", action="store_true", help="every part in miniature on the CPU")
    given = parser.parse_args()
    out: Path = (given.out / "dry" if given.dry_run else given.out).resolve()
    site = out / "site"
    site.mkdir(parents=True, exist_ok=True)
    if given.commit:
        os.environ["ECHOBENCH_COMMIT"] = given.commit
    visit = Visit(
        out=out,
        minutes=given.minutes,
        dry=given.dry_run,
        root=given.root,
        iterations=6 if given.dry_run else given.iterations,
    )
    if given.wheels:
        install(given.wheels, site)
    announce(site)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    for name, part in PARTS.items():
        if name in visit.done or visit.left_s < 5:
            print(f"{name}: {'done before' if name in visit.done else 'no time left'}", flush=True)
            continue
        began = time.monotonic()
        told = part(visit)
        if told is not None:
            visit.finish(name, told)
        archive(out)
        print(f"{name}: {told or 'goes on at the next visit'} ({time.monotonic() - began:.0f} s)", flush=True)
    path = archive(out)
    print(f"{path} ({path.stat().st_size / 2**20:.1f} MiB); {visit.left_s + 6:.0f} s left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
