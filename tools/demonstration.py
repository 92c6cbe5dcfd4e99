"""A finished run on drawn phantoms as the demonstration weights of a release.

    make release DEMO=RUN                   (RUN: name of a finished run, or a part of it that only this run has)
    python tools/demonstration.py RUN FILE.safetensors

What was trained on patients is refused: nothing made from CAMUS or EchoNet is in a release (docs/publish.md).
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.errors import BenchError, ConfigError
from harness.segment import publish


def demonstration(run: str, out: Path, results_dir: Path | str = "results/runs", data_dir: Path = Path("data")) -> Path:
    """Publish a run whose card says that it is a demonstration.

    Raises:
        ConfigError: it was trained on other data than drawn ones; no file is left.
    """
    path, card = publish(run, out, results_dir=results_dir, data_dir=data_dir)
    if not card.demonstration:
        path.unlink()
        raise ConfigError(
            f"{card.name} was trained on {card.training.dataset} and not on drawn phantoms; a release holds no such weights."
        )
    return path


if __name__ == "__main__":
    try:
        print(f"written: {demonstration(sys.argv[1], Path(sys.argv[2]))}")
    except BenchError as error:
        raise SystemExit(str(error)) from None
