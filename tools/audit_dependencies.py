"""Known faults of the packages in ``requirements.lock``, by pip-audit; a sentence where its database cannot be reached.

    make audit-dependencies

Exit code 1 where a package has a known fault. Without a network nothing was audited, which is said, and the exit code is 0: a
build does not depend on somebody else's server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNREACHABLE = (
    "ConnectionError",
    "ServiceError",
    "Max retries",
    "Failed to establish",
    "HTTPError",
    "ConnectTimeout",
    "SSLError",
)
NOT_AUDITED = "The database of known faults cannot be reached from here: the dependencies were not audited."


def main() -> None:
    """Print a line per package with a known fault."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        "requirements.lock",
        "--require-hashes",
        "--disable-pip",
    ]
    done = subprocess.run([*command, "--format", "json", *sys.argv[1:]], cwd=ROOT, capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        if any(word in done.stderr for word in UNREACHABLE):
            print(NOT_AUDITED)
            return
        raise SystemExit(done.stderr) from None
    faulty = [(package, fault) for package in packages for fault in package.get("vulns", ())]
    for package, fault in faulty:
        mended = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {fault['id']}, mended in {mended}")
    skipped = sum("skip_reason" in package for package in packages)
    # A mirror of the registry may answer without having the database: it then knows none of them.
    if skipped == len(packages):
        print(NOT_AUDITED)
        return
    print(
        f"{len(packages) - skipped} packages audited, {skipped} not known to the database, {len(faulty)} known faults"
    )
    sys.exit(1 if faulty else 0)


if __name__ == "__main__":
    main()
