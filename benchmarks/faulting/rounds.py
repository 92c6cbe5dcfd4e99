"""A verb under a fault, judged, and the same command afterwards, compared with the undisturbed run."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from torturing.comparison import clean, damaged, differing
from torturing.rounds import Undisturbed

from faulting.faults import Fault, run

SENTENCE = re.compile(r"^(echobench: |Error: |Usage: )|Stopped by Ctrl-C|^.* failed", re.M)


@dataclass(kw_only=True, slots=True)
class Tally:
    """What came of one fault on one verb."""

    fault: str
    verb: str
    attempts: int = 0
    sentences: int = 0
    unharmed: int = 0
    equal: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """A row of the printed table."""
        cells = (
            self.fault,
            self.verb,
            self.attempts,
            self.sentences,
            self.unharmed,
            self.equal,
            "; ".join(self.wrong[:3]),
        )
        return f"| {' | '.join(map(str, cells))} |"


def judged(name: str, fault: Fault, verb: str, made: Undisturbed, root: Path) -> Tally:
    """Every attempt of a fault on a verb.

    Raises:
        NotAllowedError: the fault cannot be made here.
    """
    tally, place = Tally(fault=name, verb=verb), root / "round"
    folder, aside = place / "work", place / "aside"
    try:
        place.mkdir()
        folder.mkdir()
        aside.mkdir()
        place.chmod(0o755)
        for code, text in fault(verb, made, folder):
            tally.attempts += 1
            problem = _of_attempt(code, text)
            tally.sentences += not problem and code != 0
            tally.unharmed += not problem and code == 0
            if not problem:
                problem = _afterwards(verb, made, folder, aside)
                tally.equal += not problem
            if problem:
                tally.wrong.append(problem)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return tally


def _of_attempt(code: int, text: str) -> str:
    tail = " ".join(text[-300:].split()).replace("|", "/")
    if "Traceback (most recent" in text or "A mistake of echobench itself" in text:
        return f"a traceback: {tail}"
    if code not in (0, 1, 2, 3, 130):
        return f"exit code {code}: {tail}"
    return "" if code == 0 or SENTENCE.search(text) else f"exit code {code} without a sentence: {tail}"


def _afterwards(verb: str, made: Undisturbed, folder: Path, aside: Path) -> str:
    """The same command without the fault; what is wrong with what it leaves."""
    if broken := damaged(folder):
        return f"damaged: {broken[0]}"
    # A manifest is never written over: who has one removes it first, as the sentence says.
    if verb == "manifest":
        for name in ("manifest.csv", "labels.yaml"):
            (folder / "own" / name).unlink(missing_ok=True)
    if verb == "export":
        shutil.rmtree(folder / "exported", ignore_errors=True)
    code, text = run(verb, folder, aside)
    if code:
        return f"afterwards exit code {code}: {' '.join(text[-200:].split())}"
    _, names = differing(verb, made.after, folder)
    (folder / "tmp").mkdir(exist_ok=True)
    _, stay = clean(folder)
    return "; ".join([*(f"differs: {item}" for item in names), *(f"stays: {item}" for item in stay)])
