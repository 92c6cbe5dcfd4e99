"""Damaged files for every reader, for minutes: no crash, no hang, no gigabyte, only sentences.

    python benchmarks/fuzz.py --minutes 10                        ten minutes for each reader (make fuzz MINUTES=10)
    python benchmarks/fuzz.py --minutes 1 --readers NIfTI,DICOM   some of them
    python benchmarks/fuzz.py --minutes 10 --engine atheris       guided by coverage, where atheris is installed

Real files are changed (``fuzzing/mutations.py``: bits, numbers in headers, words, cells, lines, values of JSON, behind checksums
and compression too) and read with all that a command would read of them (``fuzzing/readers.py``). Each reader has a process of its
own, which may take one gigabyte more than it has at its start. Files that made a fault are kept in ``--keep``. Exit code 1
where there was one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))


def with_hypothesis(once: Callable[[Any], object], seconds: float) -> None:
    """Attempts with draws of hypothesis until the time is over."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    until, number = time.monotonic() + seconds, 0

    def draws(data: st.DataObject) -> None:
        if time.monotonic() < until:
            once(lambda low, high: data.draw(st.integers(low, high)))

    while time.monotonic() < until:
        number += 1
        plain = settings(
            max_examples=200,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        seed(number)(plain(given(st.data())(draws)))()


def with_atheris(once: Callable[[Any], object], seconds: float) -> None:
    """Attempts with draws of libFuzzer, which keeps those that reach new lines; ends the process."""
    import atheris

    def from_bytes(data: bytes) -> None:
        once(atheris.FuzzedDataProvider(data).ConsumeIntInRange)

    options = [
        f"-max_total_time={int(seconds)}",
        "-rss_limit_mb=0",
        "-timeout=60",
        "-verbosity=0",
        "-max_len=512",
        "-len_control=0",
    ]
    atheris.Setup([sys.argv[0], *options], from_bytes)
    atheris.Fuzz()


def work(reader: Any, original: bytes, engine: str, seconds: float, out: Path, keep: Path) -> None:
    """What one process does: attempts, with the tally on disk after each second, so that a crash loses no count."""
    from fuzzing.attempts import Tally, attempt, bounded_memory

    tally, last, before = Tally(name=reader.name), [0.0], _peak_mb()
    quiet = os.open(os.devnull, os.O_WRONLY)
    # Decoders in C tell of damage on stderr, thousands of lines a minute.
    os.dup2(quiet, 2)
    os.dup2(quiet, 1)

    def once(choose: Any) -> None:
        fault = attempt(reader, original, choose, tally, keep)
        if fault is not None or time.monotonic() - last[0] > 1:
            last[0] = time.monotonic()
            tally.memory_mb = round(_peak_mb() - before)
            out.write_text(json.dumps(tally.plain()))

    try:
        with bounded_memory():
            (with_atheris if engine == "atheris" else with_hypothesis)(once, seconds)
    except Exception as error:
        # Of the engine, not of a reader: nobody would see it on the closed stderr.
        tally.faults[f"{engine}: {type(error).__name__}"] = str(error)[:200]
    tally.memory_mb = round(_peak_mb() - before)
    out.write_text(json.dumps(tally.plain()))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzzed(reader: Any, originals: dict[Path, bytes], engine: str, seconds: float, keep: Path) -> dict[str, Any]:
    """The tally of one reader; a process that died or hung is a fault as well."""
    out = keep / "tally.json"
    out.write_text("{}")
    arguments = (reader, originals[reader.file], engine, seconds, out, keep)
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join(seconds + 90)
    tally: dict[str, Any] = {
        "name": reader.name,
        "attempts": 0,
        "read": 0,
        "refused": 0,
        "slowest_s": 0.0,
        "memory_mb": 0,
        "faults": {},
    }
    tally |= json.loads(out.read_text())
    if process.is_alive():
        process.kill()
        process.join()
        tally["faults"]["hang"] = "the process had to be killed"
    elif process.exitcode != 0 and engine != "atheris":
        tally["faults"][f"crash {process.exitcode}"] = "the process died"
        with contextlib.suppress(OSError):
            (keep / f"crash-{reader.name.replace(' ', '_')}").write_bytes(reader.file.read_bytes())
    for path, content in originals.items():
        path.write_bytes(content)
    return tally


def main() -> None:
    """Print a table with a row per reader."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="for each reader")
    parser.add_argument("--readers", default="", help="names with commas between them; all by default")
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for files that made a fault")
    chosen = parser.parse_args()
    chosen.keep.mkdir(parents=True, exist_ok=True)
    if chosen.engine == "atheris":
        import atheris

        # What is imported from here on tells which of its lines it has reached.
        with atheris.instrument_imports(include=["harness"]):
            from fuzzing.readers import readers
    else:
        from fuzzing.readers import readers

    faults = total = 0
    from harness.leftovers import private_folder

    # Held by a lock: `echobench runs --clean` of somebody else leaves it alone.
    with private_folder("echobench-fuzz-") as folder:
        everything = readers(folder)
        # By the first word of their names: NIfTI stands for its packed forms as well.
        heads = {reader.name: reader.name.partition(",")[0] for reader in everything}
        wanted = set(chosen.readers.split(",")) if chosen.readers else set(heads.values())
        if strange := wanted - set(heads.values()):
            raise SystemExit(
                f"There is no reader {sorted(strange)[0]}; there are {', '.join(sorted(set(heads.values())))}."
            )
        originals = {reader.file: reader.file.read_bytes() for reader in everything}
        print(
            "| reader | attempts | read | refused | slowest [s] | memory [MB] | kinds of fault |\n|:--|--:|--:|--:|--:|--:|--:|",
            flush=True,
        )
        for reader in everything:
            if heads[reader.name] not in wanted:
                continue
            tally = fuzzed(reader, originals, chosen.engine, 60 * chosen.minutes, chosen.keep)
            counts = (
                tally["attempts"],
                tally["read"],
                tally["refused"],
                f"{tally['slowest_s']:.2f}",
                tally["memory_mb"],
                len(tally["faults"]),
            )
            print(f"| {' | '.join(map(str, (tally['name'], *counts)))} |", flush=True)
            for place, message in tally["faults"].items():
                print(f"    {place}: {message}", flush=True)
            faults, total = faults + len(tally["faults"]), total + tally["attempts"]
    print(f"\n{total} attempts by {chosen.engine}, {chosen.minutes:g} minutes for each reader: {faults} kinds of fault")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
