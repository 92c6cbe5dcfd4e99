"""``requirements.lock``: what the reference environment holds, every file pinned by its SHA-256.

    make lock

The versions are those of the environment that runs this (``make setup``, which the tests pass in); uv finds what belongs to them
and the hashes. The reference environment is Linux on x86-64 with Python 3.11 and torch's build for the CPU. No address of a
registry is written: where files come from is the business of whoever installs them.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
EXTRAS = ("test",)
OURS = ("echobench", "echobench-kernels")


def installed() -> str:
    """``name==version`` of everything in this environment but ourselves, a line each."""
    pins = {f"{item.metadata['Name']}=={item.version}" for item in distributions() if item.metadata["Name"] not in OURS}
    return "\n".join(sorted(pins, key=str.lower)) + "\n"


def main() -> None:
    """Write the lock file; further arguments go to uv, such as --find-links FOLDER for torch's build for the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "constraints.txt")
        pins.write_text(installed())
        command = [
            *(str(Path(sysconfig.get_path("scripts"), "uv")), "pip", "compile", "pyproject.toml"),
            *(word for extra in EXTRAS for word in ("--extra", extra)),
            *(
                "--constraint",
                str(pins),
                "--generate-hashes",
                "--no-emit-index-url",
                "--no-emit-find-links",
                "--no-annotate",
            ),
            *(
                "--python-version",
                "3.11",
                "--python-platform",
                "x86_64-manylinux_2_28",
                "--custom-compile-command",
                "make lock",
            ),
            *("--quiet", "--output-file", str(LOCK), *sys.argv[1:]),
        ]
        subprocess.run(command, cwd=ROOT, check=True)
    print(f"{LOCK.name}: {sum('==' in line for line in LOCK.read_text().splitlines())} packages")


if __name__ == "__main__":
    main()
