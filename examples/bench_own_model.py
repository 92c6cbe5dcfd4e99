"""Train a model of your own beside the U-Net and compare the two.

For real: leave out ``recipe`` and ``settings``, and name your data: ``dataset="camus", root="/path/to/CAMUS"``.
"""

from pathlib import Path

import harness

HERE = Path(__file__).resolve().parent
TINY = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}

made = harness.bench(
    [str(HERE / "own_model" / "smallest_net_config.py"), "unet"],
    recipe="smoke",
    settings=TINY,
    profile=False,  # the costs take longer than two training steps
)
print(made.table.to_string(index=False))
for run in made.runs:
    print(run.name, run.status)
print("report:", made.report)
