"""``echobench phantom``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.phantom import command
from harness.phantom import read_manifest


def test_the_verb_generates_a_root_and_describes_it(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "root"), "--patients", "1,1,1", "--pixel-mm", "1.5", "--workers", "1", "--no-progress"]
    result = CliRunner().invoke(command, [*arguments, "--describe"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "lv_area_ed_cm2" in result.output
    assert read_manifest(tmp_path / "root")["parameters"]["patients"] == [1, 1, 1]


@pytest.mark.parametrize("counts", ["1,2", "a,b,c", "1,2,3,4"])
def test_counts_that_are_not_three_numbers_are_refused(tmp_path: Path, counts: str) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "root"), "--patients", counts])
    assert result.exit_code == 2
    assert not (tmp_path / "root").exists()
