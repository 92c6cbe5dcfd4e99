"""Make the reference results: every training, sweep and study of the README, from one clean commit.

    python tools/reference.py --list                            # what is left, and for how long
    python tools/reference.py --root CAMUS --workers 2          # all of it; interrupted, it goes on where it was
    python tools/reference.py --root CAMUS --only phantom       # one step

A step is a list of ``echobench`` commands. Each of them keeps what it has finished, so a step that was killed begins again with
the run that was under way. Finished commands are kept in ``STATE`` with the commit; a checkout with uncommitted changes, or of
another commit than the finished steps, is refused: the results of one reference come from one commit.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.files import write_json

HERE = Path(__file__).resolve().parent.parent
STATE = Path("results/reference_state.json")
SEEDS = "0,1,2"
HEADLINE = "gdkvm,unet,transunet,stm,xmem"
RIVALS = "unet_filtered,cutie,livos,deeplabv3,unet_3d"
HUNDRED = "--set generate.patients=[60,15,100]"
STILLS = "--dataset camus --root {root} --views 4CH --clip ed_es --allow-partial"
CINE = "--dataset camus --root {root} --views 4CH --clip cine --allow-partial"
HARD = "acoustic_shadow,haze,speckle,reverberation,blank_frames"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Commands that belong together.

    Attributes:
        name: what ``--only`` calls it.
        answers: the question, in words.
        hours: on two cores without bf16 products, computed from ``benchmarks/training_step.py``; no whole step has been timed yet.
        commands: arguments of ``echobench``.
    """

    name: str
    answers: str
    hours: float
    commands: tuple[str, ...]

    def key(self, command: str) -> str:
        """What a finished command is kept under: two steps may end with the same export, each of other runs."""
        return f"{self.name}: {command}"

    def missing(self, done: dict[str, float]) -> list[str]:
        """Commands that are not finished."""
        return [command for command in self.commands if self.key(command) not in done]


def steps() -> tuple[Step, ...]:
    """All steps, the most valuable first."""
    phantom = f"--dataset phantom --seeds {SEEDS} {HUNDRED}"
    return (
        Step(
            name="phantom",
            answers="which model is better on whole phantom sequences, three trainings, 100 patients",
            hours=1.5,
            commands=(f"bench {phantom} --models {HEADLINE} --report phantom", "export phantom --pictures"),
        ),
        Step(
            name="stills",
            answers="the same on real CAMUS stills (no memory is tested)",
            hours=1.2,
            commands=(
                f"bench {STILLS} --seeds {SEEDS} --models {HEADLINE} --report camus-stills",
                "export camus-stills",
            ),
        ),
        Step(
            name="faults",
            answers="what faults cost, always on and passing",
            hours=1.0,
            commands=(
                "robustness run --report phantom --severities 1,3,5 --limit 25",
                "robustness report --report phantom",
                f"robustness run --report phantom --when passing:4 --severities 5 --perturbations {HARD} --limit 25",
                "robustness report --report phantom --when passing:4",
                "export phantom --pictures",
            ),
        ),
        Step(
            name="cine",
            answers="the same on clips made from real CAMUS stills (semi-synthetic)",
            hours=1.5,
            commands=(f"bench {CINE} --seeds {SEEDS} --models {HEADLINE} --report camus-cine", "export camus-cine"),
        ),
        Step(
            name="studies",
            answers="what the parts of GDKVM and its update rule bring",
            hours=1.8,
            commands=(
                "ablate modules --dataset phantom",
                "ablate update_rule --dataset phantom",
                "export modules-phantom-2ch+4ch-half-small",
                "export update_rule-phantom-2ch+4ch-half-small",
            ),
        ),
        Step(
            name="rivals",
            answers="newer rivals beside the headline models",
            hours=1.5,
            commands=(f"bench {phantom} --models {RIVALS} --report phantom", "export phantom --pictures"),
        ),
        Step(
            name="structures",
            answers="left ventricle, myocardium and atrium at once, on real stills",
            hours=0.9,
            commands=(
                f"bench {STILLS} --seeds 0 --models {HEADLINE} --structures all --report camus-structures",
                "export camus-structures",
            ),
        ),
        Step(
            name="transfer",
            answers="trained on the phantom, tested on real stills, and the other way",
            hours=0.3,
            commands=(
                f"evaluate --report phantom {STILLS}",
                "evaluate --report camus-stills --dataset phantom",
            ),
        ),
        Step(
            name="memory",
            answers="whether a memory helps, against the length of the training clips",
            hours=5.0,
            commands=("ablate memory --dataset phantom", "export memory-phantom-2ch+4ch-half-small"),
        ),
    )


def commit() -> str:
    """The checkout's commit.

    Raises:
        SystemExit: there are uncommitted changes, or no git.
    """
    changed = _git("status", "--porcelain", "--untracked-files=no")
    if changed:
        raise SystemExit(
            "There are uncommitted changes; commit them first: reference results name the commit they come from."
        )
    return _git("rev-parse", "HEAD")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit("Reference results are made in a git checkout; this folder is none.")
    return done.stdout.strip()


def finished(now: str) -> dict[str, float]:
    """Finished commands of this commit with their seconds.

    Raises:
        SystemExit: they were made by another commit.
    """
    state = json.loads(STATE.read_text()) if STATE.is_file() else {"commit": now, "seconds": {}}
    if state["commit"] != now:
        raise SystemExit(
            f"The finished steps come from commit {state['commit'][:10]}, this checkout is {now[:10]}: check that one out to go "
            f"on, or remove {STATE} to begin anew."
        )
    return dict(state["seconds"])


def main() -> int:
    """Run or list the steps; the exit code of the first command that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="the folder of CAMUS; without it only steps on the phantom are run")
    parser.add_argument("--only", default="", help="names of steps, separated by commas")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time")
    parser.add_argument("--list", action="store_true", help="what is left and how long it takes; nothing is run")
    options = parser.parse_args()
    chosen = [step for step in steps() if not options.only or step.name in options.only.split(",")]
    now = _git("rev-parse", "HEAD") if options.list else commit()
    done = finished(now)
    left = sum(step.hours for step in chosen if step.missing(done))
    for step in chosen:
        print(
            f"{step.name:11} {'done' if not step.missing(done) else f'{step.hours:.1f} h':7} {step.answers}", flush=True
        )
    print(f"About {left:.1f} hours left on two cores.", flush=True)
    return 0 if options.list else _run(chosen, options.root, options.workers, now, done)


def _run(chosen: list[Step], root: str | None, workers: int, now: str, done: dict[str, float]) -> int:
    for step in chosen:
        if root is None and any("{root}" in command for command in step.commands):
            print(f"{step.name}: left out, it needs --root CAMUS", flush=True)
            continue
        for command in step.missing(done):
            many = ["--workers", str(workers)] if workers > 1 and command.split()[0] in {"bench", "ablate"} else []
            arguments = shlex.split(command.format(root=shlex.quote(root or ""))) + many
            print(f"\n$ echobench {shlex.join(arguments)}", flush=True)
            began = time.monotonic()
            code = subprocess.run([sys.executable, "-m", "harness", *arguments], check=False).returncode
            if code:
                return code
            done[step.key(command)] = round(time.monotonic() - began, 1)
            write_json(STATE, {"commit": now, "seconds": done})
    return 0


if __name__ == "__main__":
    sys.exit(main())
