"""Scripts for Slurm: what stands in them, and what a real Slurm does with them where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))

import slurm_node

from harness.cli import cli
from harness.errors import BenchError, ConfigError
from harness.jobs import slurm
from harness.jobs.slurm import SlurmJob, submit

WORK = """\
import os, pathlib, signal, sys, time
folder, number = pathlib.Path({folder!r}), sys.argv[-1]
if number == "--report-only":
    (folder / "report").write_text(" ".join(sorted(path.name for path in folder.glob("done-*"))))
    sys.exit(0)
with open(folder / f"started-{{number}}", "a") as stream:
    stream.write(os.environ.get("CUDA_VISIBLE_DEVICES", "none") + " " + os.environ["SLURMD_NODENAME"] + "\\n")
def leave(*_):
    (folder / f"saved-{{number}}").touch()
    sys.exit(130)
signal.signal(signal.SIGINT, leave)
again = len((folder / f"started-{{number}}").read_text().splitlines()) > 1
until = time.monotonic() + (0 if again else float(os.environ.get("LONG_" + number, "1")))
while time.monotonic() < until:
    time.sleep(0.1)
(folder / f"done-{{number}}").touch()
"""


def test_the_array_has_a_task_a_run_and_the_report_trains_nothing(tmp_path: Path) -> None:
    job = SlurmJob(
        name="paper", arguments=["--suite", "paper", "--root", "/a b"], runs=15, folder=tmp_path, gres="gpu:1", time="4:00:00",
        cpus=8, at_once=4, options=["--partition=gpu"],
    )  # fmt: skip
    train, report = (path.read_text() for path in job.write(tmp_path / "jobs"))
    for line in (
        "--array=1-15%4",
        "--requeue",
        "--signal=B:INT@120",
        "--gres=gpu:1",
        "--time=4:00:00",
        "--partition=gpu",
    ):
        assert f"#SBATCH {line}\n" in train
    assert "bench --suite paper --root '/a b' --only \"$SLURM_ARRAY_TASK_ID\"" in train
    assert report.rstrip().endswith("bench --suite paper --root '/a b' --report-only")
    for text in (train, report):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_verb_counts_the_runs_without_opening_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [
        "slurm",
        "paper",
        "--dataset",
        "camus",
        "--root",
        "/nowhere",
        "--seeds",
        "0,1",
        "--models",
        "unet,stm,xmem",
    ]
    for more, runs in (([], 6), (["--first-frame", "auto_unet"], 6), (["--first-frame", "gt", "--seeds", "0"], 3)):
        result = CliRunner().invoke(cli, [*arguments, *more], catch_exceptions=False, standalone_mode=False)
        assert result.output.startswith(f"{runs} runs: ")
        text = Path("slurm/echobench-paper-camus.train.sh").read_text()
        assert f"#SBATCH --array=1-{runs}\n" in text
        assert "--root /nowhere" in text


@pytest.mark.parametrize(
    ("options", "sentence"), [(["--models", "unet,unet"], "names unet twice"), (["--sedes", "0"], "--sedes")]
)
def test_a_wrong_option_of_bench_is_refused_here_and_not_in_every_task(
    options: list[str], sentence: str, tmp_path: Path
) -> None:
    arguments = ["slurm", "small", "--scripts", str(tmp_path), *options]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert sentence in str(result.exception)
    assert isinstance(result.exception, ConfigError) or options[0] == "--sedes"
    assert not list(tmp_path.iterdir())


def test_without_slurm_the_script_is_there_and_a_sentence_says_where_to_take_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script = tmp_path / "it.train.sh"
    with pytest.raises(BenchError, match=f"no sbatch on this machine.*sbatch {script}"):
        submit(script, tmp_path / "it.report.sh")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Slurm of one node with two GPUs that are none: ``/dev/null`` and ``/dev/zero`` stand for them."""
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {missing[0]}: apt-get install slurmctld slurmd slurm-client munge")
    if os.geteuid():
        pytest.skip("Slurm's daemons are started as root")
    folder = tmp_path_factory.mktemp("slurm")
    with slurm_node.running(folder) as state:
        if state:
            pytest.skip(f"Slurm does not come up here: {state}")
        yield folder


@pytest.fixture
def work(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which tasks leave what they do; they run a script in place of ``echobench``."""
    script = tmp_path / "work.py"
    script.write_text(WORK.format(folder=str(tmp_path)))
    monkeypatch.setattr(slurm, "worker_command", lambda *arguments: [sys.executable, str(script)])
    monkeypatch.setenv("SLURM_CONF", str(cluster / "slurm.conf"))
    return tmp_path


def until(ready, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            pytest.fail("Slurm took too long: " + subprocess.run(["squeue"], capture_output=True, text=True).stdout)
        time.sleep(0.3)


def handed_over(work: Path, runs: int, **options) -> tuple[str, str]:
    job = SlurmJob(name="test", arguments=[], runs=runs, folder=work, gres="gpu:1", **options)
    return submit(*job.write(work / "jobs"))


@pytest.mark.slow
def test_tasks_have_a_gpu_each_two_at_a_time_and_the_report_comes_last(work: Path) -> None:
    handed_over(work, 4)
    until((work / "report").exists)
    assert (work / "report").read_text() == "done-1 done-2 done-3 done-4"
    devices = [path.read_text().split()[0] for path in sorted(work.glob("started-*"))]
    assert sorted(devices) == ["0", "0", "1", "1"]


@pytest.mark.slow
def test_a_task_whose_time_ends_saves_goes_back_and_is_finished_later(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The signal comes up to a minute early, that is at once where the limit is that of the warning.
    monkeypatch.setattr(slurm, "WARNING_S", 50)
    monkeypatch.setenv("LONG_1", "100")
    handed_over(work, 1, time="0:01:00")
    until((work / "report").exists, 240)
    assert (work / "saved-1").exists()
    assert len((work / "started-1").read_text().splitlines()) == 2
    assert (work / "report").read_text() == "done-1"


@pytest.mark.slow
def test_a_task_whose_node_is_lost_is_taken_up_again(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONG_1", "100")
    job, _ = handed_over(work, 1)
    until((work / "started-1").exists)
    subprocess.run(["scontrol", "requeue", f"{job}_1"], check=True)
    until((work / "done-1").exists, 240)
    assert len((work / "started-1").read_text().splitlines()) == 2
