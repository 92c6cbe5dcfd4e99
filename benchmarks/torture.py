"""Kills at random moments: verbs are killed and started again until they end, and their files are compared byte by byte.

    python benchmarks/torture.py --kills 100 --minutes 60                                     (make torture)
    python benchmarks/torture.py --kills 20 --minutes 5                                       (make torture-quick)

The verbs run undisturbed first, each in the folder that the one before it has left. Then rounds: a folder as it was before
the verb, so many processes of the same command on its one store, each of which gets SIGKILL (its whole group, or every third
time its main process alone) after a random part of the undisturbed time and is started again. A round ends when all of them
have ended by themselves; after the last kill nobody is killed any more. After every kill the store is read, and no record in
it may be damaged; after every round no process may have outlived the one that started it, the files are compared, and what
was left over is removed and counted.

The processes are forked from one that has torch imported already (``torturing/process.py`` says why). Compared is what a
command computes: weights, rows, pictures, sweeps, masks, tables and figures. What is measured in seconds differs between
any two runs, and whatever shows it is left out. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from torturing.process import prepare


def main() -> None:
    """Print a table with a row per verb and number of processes."""
    # Before numpy is loaded with its threads by what is imported next.
    prepare()
    from torturing.rounds import Tally, Torture, undisturbed
    from torturing.verbs import TORTURED, write_inputs

    from harness.leftovers import private_folder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", default=",".join(TORTURED))
    parser.add_argument("--processes", default="1,3")
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    began = time.monotonic()
    verbs, counts = chosen.verbs.split(","), [int(text) for text in chosen.processes.split(",")]
    tallies: list[Tally] = []
    # Held by a lock: `echobench runs --clean` of somebody else leaves it alone.
    with private_folder("echobench-torture-") as root:
        (root / "before").mkdir()
        write_inputs(root / "before")
        made = undisturbed(verbs, root)
        print(f"undisturbed: {', '.join(f'{verb} {run.seconds:.1f} s' for verb, run in made.items())}\n")
        print("| verb | processes | kills | rounds | files compared | leftovers removed | outcome |")
        print("|:--|--:|--:|--:|--:|--:|:--|", flush=True)
        # The cheap ones first: the time that they leave goes to those that need it.
        ordered = sorted(verbs, key=lambda verb: made[verb].seconds)
        plan = [(verb, processes) for verb in ordered for processes in counts]
        for index, (verb, processes) in enumerate(plan):
            left = len(plan) - index
            # What is left of the kills and of the time, in equal parts: a slow verb does not take those of the others.
            share = -(-(chosen.kills - sum(tally.kills for tally in tallies)) // left)
            now = time.monotonic()
            until = now + (60 * chosen.minutes - (now - began)) / left
            tally = Tally(verb=verb, processes=processes)
            tallies.append(tally)
            Torture(tally, share, until, made[verb], root).run()
            print(tally.line(), flush=True)
    sums = [sum(getattr(tally, name) for tally in tallies) for name in ("kills", "rounds", "compared")]
    minutes = (time.monotonic() - began) / 60
    print(f"\n{sums[0]} kills in {sums[1]} rounds, {sums[2]} files compared, {minutes:.0f} minutes")
    sys.exit(1 if any(tally.wrong for tally in tallies) else 0)


if __name__ == "__main__":
    main()
