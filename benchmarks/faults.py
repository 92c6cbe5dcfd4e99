"""Every verb on a disk that fails, in a folder that is gone, and stopped twice by Ctrl-C: one sentence, nothing half-written, and the same results afterwards.

    python benchmarks/faults.py                                 all faults, all verbs
    python benchmarks/faults.py --verbs segment,report --faults full,read-only --seed 3

The verbs run undisturbed first, each in the folder that the one before it has left (``torturing/verbs.py``). Then each meets
each fault (``faulting/faults.py``), and afterwards, the fault mended, the same command once more. Wrong is a traceback, an exit
code that says nothing, a file that is half-written, a damaged record, or any difference to the undisturbed files at the end. What needs a
mount is left out, and said so, where mounting is not allowed. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from torturing.process import prepare


def main() -> None:
    """Print a table with a row per fault and verb."""
    # Before numpy is loaded with its threads by what is imported next.
    prepare()
    from faulting.faults import FAULTS, NotAllowedError
    from faulting.rounds import judged
    from torturing.rounds import undisturbed
    from torturing.verbs import VERBS, write_inputs

    from harness.leftovers import private_folder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    verbs, wrong, total = chosen.verbs.split(","), 0, 0
    with private_folder("echobench-faults-") as root:
        # Another user must find the folders below it.
        root.chmod(0o711)
        (root / "before").mkdir()
        write_inputs(root / "before")
        made = undisturbed(verbs, root)
        print(
            "| fault | verb | attempts | sentence | ended all the same | equal afterwards | wrong |\n|:--|:--|--:|--:|--:|--:|:--|",
            flush=True,
        )
        for fault in chosen.faults.split(","):
            for verb in verbs:
                try:
                    tally = judged(fault, FAULTS[fault], verb, made[verb], root)
                except NotAllowedError as error:
                    print(f"| {fault} | {verb} | 0 | | | | not tried: {error} |", flush=True)
                    continue
                print(tally.line(), flush=True)
                wrong, total = wrong + len(tally.wrong), total + tally.attempts
    print(f"\n{total} attempts, {wrong} not as they should be")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
