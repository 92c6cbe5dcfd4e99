"""Rounds of kills: processes of one command on one store, each killed at moments of its own until all of them have ended."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from torturing.comparison import clean, damaged, differing
from torturing.process import VerbProcess
from torturing.verbs import VERBS

PATIENCE_S = 20.0
"""How long what a killed process has started may take to notice that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Undisturbed:
    """A verb that nobody has killed: its folder before and after it, and how long it took."""

    before: Path
    after: Path
    seconds: float


@dataclass(kw_only=True, slots=True)
class Tally:
    """What happened to one verb with so many processes."""

    verb: str
    processes: int
    kills: int = 0
    rounds: int = 0
    compared: int = 0
    leftovers: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """A row of the printed table."""
        counts = (self.kills, self.rounds, self.compared, self.leftovers)
        return f"| {' | '.join(map(str, (self.verb, self.processes, *counts, '; '.join(self.wrong[:4]) or 'equal')))} |"


class Torture:
    """Rounds of one verb, until so many kills are spent or the time is over.

    Args:
        tally: counts, and the verb and the number of its processes.
        kills: how many at most.
        until: in seconds of the monotonic clock; nobody is killed afterwards, and what runs comes to its end.
        made: the verb undisturbed.
        root: for the folder of a round.
    """

    def __init__(self, tally: Tally, kills: int, until: float, made: Undisturbed, root: Path) -> None:
        self.tally, self.kills, self.until, self.made = tally, kills, until, made
        self.seconds = made.seconds
        self.folder = root / "round"

    def run(self) -> None:
        """Rounds as long as kills and time are left, and at least one where there are."""
        while self._may_kill() and not self.tally.wrong:
            shutil.copytree(self.made.before, self.folder)
            try:
                self._round()
                if not self.tally.wrong:
                    self._judge()
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _may_kill(self) -> bool:
        return self.tally.kills < self.kills and time.monotonic() < self.until

    def _round(self) -> None:
        self.tally.rounds += 1
        started: list[VerbProcess] = []

        def begin() -> tuple[VerbProcess, float]:
            started.append(VerbProcess(VERBS[self.tally.verb], self.folder))
            # Several processes share the cores: their moments lie as far apart as their work does.
            return started[-1], started[-1].began + random.uniform(0.03, 1.0) * self.seconds * self.tally.processes

        running = [begin() for _ in range(self.tally.processes)]
        try:
            while running and not self.tally.wrong:
                time.sleep(0.02)
                running = [begin() if self._killed(process, moment) else (process, moment)
                           for process, moment in running if not self._ended(process)]  # fmt: skip
            self.tally.wrong += self._outliving(started)
        finally:
            for process in started:
                process.kill(group=True)

    def _killed(self, process: VerbProcess, moment: float) -> bool:
        if time.monotonic() <= moment or not self._may_kill():
            return False
        self.tally.kills += 1
        # Every third time alone: its children, pools and processes that measure, then have to see to themselves.
        process.kill(group=self.tally.kills % 3 > 0)
        self.tally.wrong += damaged(self.folder)
        return True

    def _ended(self, process: VerbProcess) -> bool:
        code = process.poll()
        if code:
            log = (self.folder / VerbProcess.LOG).read_text(errors="replace")
            self.tally.wrong.append(f"exit code {code}: {log[-300:]!r}")
        elif code == 0:
            # A busy machine may have been slow when the verb ran undisturbed: kills after its end are none.
            self.seconds = min(self.seconds, time.monotonic() - process.began)
        return code is not None

    def _outliving(self, started: list[VerbProcess]) -> list[str]:
        until = time.monotonic() + PATIENCE_S
        while left := [line for process in started if process.code is not None for line in process.outlived()]:
            if time.monotonic() > until:
                return [f"outlived its parent: {line[:120]}" for line in left]
            time.sleep(0.2)
        return []

    def _judge(self) -> None:
        count, names = differing(self.tally.verb, self.made.after, self.folder)
        removed, stay = clean(self.folder)
        self.tally.compared += count
        self.tally.leftovers += removed
        self.tally.wrong += [f"differs: {name}" for name in names] + [f"stays: {name}" for name in stay]


def undisturbed(verbs: list[str], root: Path) -> dict[str, Undisturbed]:
    """Run every verb once, each in a copy of the folder that the one before it has left.

    Raises:
        SystemExit: one of them fails.
    """
    made: dict[str, Undisturbed] = {}
    before = root / "before"
    for verb in VERBS:
        # The later verbs need the runs of `bench`; `ablate` is needed by nobody.
        if verb not in (*verbs, "bench"):
            continue
        after = shutil.copytree(before, root / f"after-{verb}")
        process = VerbProcess(VERBS[verb], after)
        if code := process.wait():
            raise SystemExit(
                f"The undisturbed {verb} ended with {code}:\n{(after / VerbProcess.LOG).read_text()[-2000:]}"
            )
        made[verb] = Undisturbed(before=before, after=after, seconds=time.monotonic() - process.began)
        before = before if verb == "ablate" else after
    return made
