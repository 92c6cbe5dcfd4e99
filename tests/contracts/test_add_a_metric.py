"""docs/add-a-metric.md followed literally, in a folder outside the tree."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.evaluation.metrics import metric_functions

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "evaluation"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    text = (ROOT / "docs" / "add-a-metric.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(# area\.py\n.*?)```", text, flags=re.DOTALL)
    assert code is not None
    path = tmp_path / "area.py"
    path.write_text(code[1], encoding="utf-8")
    return path


def test_the_metric_of_the_page_is_measured_on_every_frame_beside_ours(file: Path) -> None:
    from beating_split import fake_split

    from harness.evaluation.scoring import score_masks

    split = fake_split(1)
    masks = {clip.case.name: clip.native.copy() for clip in split.clips}
    name = split.clips[0].case.name
    masks[name][0][masks[name][0] == 1] = 0  # an empty mask: an error of -100 %
    rows = score_masks(
        masks, split, structures="lv", run_columns={"run": "", "model": "m", "seed": 0},
        metrics=("overlap", str(file)), progress=False,
    )  # fmt: skip
    values = rows[rows["metric"] == "area_error_percent"]["value"].tolist()
    assert sorted(values) == [-100.0, 0.0, 0.0, 0.0]
    assert (rows["metric"] == "dice").sum() == 4


def test_two_files_of_one_name_are_two_metrics_and_a_missing_reference_is_missing(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "area.py"
    other.parent.mkdir()
    other.write_text(file.read_text().replace("100.0 *", "1.0 *"))
    ours, theirs = metric_functions((str(file), str(other)))
    full, half = np.ones((4, 4), bool), np.eye(4, dtype=bool)
    assert ours(half, full, (1.0, 1.0)) == {"area_error_percent": -75.0}
    assert theirs(half, full, (1.0, 1.0)) == {"area_error_percent": -0.75}
    assert np.isnan(ours(full, ~full, (1.0, 1.0))["area_error_percent"])


def test_a_file_that_is_not_there_or_registers_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file"):
        metric_functions((str(tmp_path / "none.py"),))
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(ConfigError, match="registers no metric"):
        metric_functions((str(tmp_path / "empty.py"),))
