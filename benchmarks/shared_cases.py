"""Every folder of the shared cases through the command line: case | what is right | what happened (docs/testing.md prints the result).

    python benchmarks/shared_cases.py CASES [--segmenter RUN --results-dir DIR --data-dir DIR] [--only 04,60]

CASES is the folder of small inputs that others stumbled over (``shared/cases``). Datasets are checked, planned (``bench --dry-run``) and,
where a table must say something, trained for two steps on one patient; clips are segmented with a finished run. Nothing is written
into CASES. Exit code 1 where a case does not end as it should.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

from harness.cli import main


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A command line, the exit code that is right, and what its output must say (a regular expression; empty: nothing in particular)."""

    line: str
    code: int = 0
    says: str = ""


CHECK, BENCH = "data check {case}", "bench --recipe smoke --models unet --limit 1 --dry-run"
CAMUS = "--dataset camus --root {case} --clip ed_es --allow-partial"
FOLDER = (
    Step(line="data manifest {copy}", says="written: .*manifest.csv"),
    Step(line="data check {copy}", says="No errors.*split drawn by patient"),
)
STEPS: dict[str, tuple[Step, ...]] = {
    "04": (
        Step(line=f"{CHECK} --clip ed_es", code=1, says=r"label 255, as binary masks.*lv: 255"),
        Step(line=f"bench --recipe smoke --models unet --limit 1 {CAMUS}", code=2, says="label 255"),
    ),
    "05": (
        Step(line=f"{CHECK} --clip ed_es", says="no mask holds myo"),
        Step(line=f"bench --recipe smoke --models unet --limit 1 --structures all {CAMUS}", code=2, says="No mask of the dataset .* holds myo"),
    ),
    "06": (Step(line=f"{CHECK} --clip half", says="No errors"),),
    "08": (Step(line=CHECK, code=2, says="data manifest"), *FOLDER),
    "11": FOLDER,
    "12": FOLDER,
    "13": FOLDER,
    "16": (
        Step(line=f"{CHECK} --clip ed_es", says="1 x 1, as if nobody had filled it in"),
        Step(line=f"{CHECK} --clip ed_es", says="images and masks state different pixel sizes"),
    ),
    "17": (Step(line=f"{CHECK} --clip ed_es", says=r"0\.154 x 0\.308 mm \(row x column\) instead of"),),
    "18": (
        Step(line=CHECK, code=1, says="choose one with --fold"),
        Step(line=f"{CHECK} --fold 1", says="No errors"),
    ),
    "20": (Step(line=f"{CHECK} --clip ed_es", says="a labelled frame has no lv, which the others have: patient0006_4CH"),),
    "22": (
        Step(line="data check {lost} --clip ed_es", says="1 x 1, as if nobody had filled it in"),
        Step(
            line="bench --recipe smoke --models unet --dataset camus --root {lost} --clip ed_es --allow-partial",
            says=r"\[px\]",
        ),
    ),
    "30": (Step(line=CHECK, says="4 frames were traced several times"), Step(line=f"{BENCH} --dataset echonet --root {{case}}")),
    "31": (Step(line=CHECK, says="2 videos have more than two traced frames"),),
    "32": (
        Step(line=CHECK, code=1, says="EchoNet-Pediatric: give .*A4C"),
        Step(line="data check {case}/A4C", code=1, says="--fold"),
        Step(line="data check {case}/A4C --fold 0", says="No errors"),
    ),
    "37": (Step(line=CHECK, says="No errors"),),
    "38": (Step(line=CHECK, says="No errors"),),
    "40": (Step(line=CHECK, code=1, says="looked for in Videos/, which is absent"),),
    "50": (Step(line="segment {case}/phone.mp4"), Step(line="segment {case}/upright.mp4", says="areas=phone.mp4~4%")),
    "51": (Step(line="segment {case}/ge.dcm", says=r'"frame_rate_hz": 50\b'),),
    "52": (
        Step(line="segment {case}/biplane.dcm", code=2, says="--region|--crop"),
        Step(line="segment {case}/biplane.dcm --region 1 --out {out}/left"),
    ),
    "54": (Step(line="segment {case}/IM0001.dcm"), Step(line="segment {case}/IM0001", says="areas=IM0001.dcm~0%")),
    "55": (Step(line="segment {case}/ps.dcm", says="spacing=0.616"),),
    "59": (Step(line="segment {case}/dup.dcm", says="spacing=0.616"),),
    "60": (
        Step(line="segment {case}/norm.nii.gz", says="0..1 were multiplied by 255"),
        Step(line="segment {case}/same-0-255.nii.gz", says="areas=norm.nii.gz~2%"),
    ),
    "63": (Step(line="segment {case}/rgb.nii.gz", code=2, says="holds colours or other compound values"),),
    "64": (Step(line="segment {case}", says="areas=norm.nii.gz~2%"),),
    "67": (Step(line="segment {case}", says="10 pictures named as masks of others were left out"),),
    "69": (Step(line="segment {case}/loop.tif", says="areas=norm.nii.gz~2%"),),
    "70": (
        Step(line="segment {case}/clip.npz", says="areas=norm.nii.gz~2%"),
        Step(line="segment {case}/clip.npy", says="areas=norm.nii.gz~2%"),
    ),
    "72": (Step(line="segment {case}/beats.mp4", says="[Bb]lack|left out"),),
    "73": (Step(line="segment {case}/s.mhd", says="areas=norm.nii.gz~2%"),),
}  # fmt: skip


def typed(words: list[str]) -> tuple[int, str]:
    """Exit code and everything printed."""
    said = io.StringIO()
    sys.argv = ["echobench", *words]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main(words)
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return code, said.getvalue()


def spacing_lost(source: Path, target: Path) -> Path:
    """A CAMUS copy whose headers say 1 x 1, as a round trip through PNG leaves them."""
    shutil.copytree(source, target)
    for path in target.glob("database_nifti/*/*.nii.gz"):
        image = nibabel.load(path)
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), np.eye(4)), path)  # type: ignore[no-untyped-call]
    return target


class Cases:
    """Runs the steps in a scratch folder; areas of the clips that were segmented are kept, since some must equal others."""

    def __init__(self, root: Path, scratch: Path, segmenter: list[str]) -> None:
        self.root, self.scratch, self.segmenter = root, scratch, segmenter
        self.areas: dict[str, list[float]] = {}

    def line(self, number: str, step: Step) -> list[str]:
        """The words of a step for the folder of a case."""
        folder = next(iter(self.root.glob(f"{number}-*")))
        copy, lost, out = (self.scratch / f"{number}-{name}" for name in ("copy", "lost", "out"))
        if "{copy}" in step.line and not copy.exists():
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("README"))
        if "{lost}" in step.line and not lost.exists():
            spacing_lost(next(iter(self.root.glob("17-*"))), lost)
        words = step.line.format(case=folder, copy=copy, lost=lost, out=out).split()
        if words[0] == "segment":
            target = [] if "--out" in words else ["--out", str(out / Path(words[1]).name)]
            words += [*self.segmenter, "--overlay", "none", "--no-progress", *target]
        return words

    def wrong(self, number: str, step: Step) -> str:
        """What a step does that it should not; empty where it is right."""
        words = self.line(number, step)
        code, said = typed(words)
        flat = " ".join(said.replace("│", " ").split())
        if "Traceback" in said:
            return "a traceback"
        if code != step.code:
            return f"exit code {code} instead of {step.code}: {flat[-160:]}"
        if words[0] == "segment" and code == 0:
            out = Path(words[words.index("--out") + 1])
            table = pd.read_csv(out / "areas.csv")
            self.areas[Path(words[1]).name] = table.iloc[:, -1].tolist()
            flat += " " + (out / "summary.json").read_text()
        return self.judged(step, words, flat)

    def judged(self, step: Step, words: list[str], said: str) -> str:
        """Whether what was said, or the areas, are right."""
        if match := re.fullmatch(r"areas=(.+)~(\d+)%", step.says):
            mine, other = (np.array(self.areas[name]) for name in (Path(words[1]).name, match[1]))
            # Areas in another unit, where a file states no pixel size, are compared as parts of the largest.
            difference = 100 * np.abs(mine / mine.max() - other / other.max()).max()
            return "" if difference <= float(match[2]) else f"areas differ by up to {difference:.1f} % of the largest"
        if step.says.startswith("spacing="):
            return (
                ""
                if re.search(rf'"spacing_mm": \[\s*{step.says[8:]}', said)
                else "the pixel size is not in the summary"
            )
        return "" if re.search(step.says, said) else f"not said: {step.says}; but {said[-200:]}"


def run(root: Path, scratch: Path, segmenter: list[str], only: set[str]) -> int:
    """Print the table; the number of cases that are not right."""
    cases, failed = Cases(root, scratch, segmenter), 0
    print("| case | commands | ends as it should |\n| --- | --- | --- |")
    for number, steps in STEPS.items():
        if (only and number not in only) or (any("segment" in step.line for step in steps) and not segmenter):
            continue
        name = next(iter(root.glob(f"{number}-*"))).name
        wrong = [text for step in steps if (text := cases.wrong(number, step))]
        failed += bool(wrong)
        verbs = ", ".join(
            dict.fromkeys(" ".join(step.line.split()[: 1 + step.line.startswith("data")]) for step in steps)
        )
        print(f"| {name} | {verbs} | {'yes' if not wrong else 'NO: ' + '; '.join(wrong)} |", flush=True)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--segmenter", help="name of a finished run; clips are left out without one")
    parser.add_argument("--results-dir", default="results/runs")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--only", default="", help="numbers of cases")
    chosen = parser.parse_args()
    chosen.results_dir, chosen.data_dir = (str(Path(one).resolve()) for one in (chosen.results_dir, chosen.data_dir))
    wanted = (
        ["--run", chosen.segmenter, "--results-dir", chosen.results_dir, "--data-dir", chosen.data_dir]
        if chosen.segmenter
        else []
    )
    cases_root = chosen.cases.resolve()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sys.exit(min(1, run(cases_root, Path(folder), wanted, set(filter(None, chosen.only.split(","))))))
