"""What the README says of differences is made from the committed reports; anything else is found."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from harness.reporting.tables.table import Cell, Row

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "tools" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_block_says_what_the_reports_say_and_another_figure_is_found(readme: ModuleType) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.written(text) == text
    assert text.count("<!-- rows: ") == len(readme.MAKERS)
    changed = text.replace("+0.61 [0.31, 0.92]", "+0.61 [0.41, 0.92]", 1)
    assert changed != text
    assert readme.written(changed) == text


def test_a_block_without_its_function_is_refused(readme: ModuleType) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="rumours"):
        readme.written(text.replace("<!-- rows: losses -->", "<!-- rows: rumours -->"))


@pytest.mark.parametrize(
    ("p", "dagger", "words"),
    [(float("nan"), False, "no test of the models"), (0.4, False, "nothing is shown"), (0.001, True, "† is shown")],
)
def test_a_difference_of_trainings_is_called_one(readme: ModuleType, p: float, dagger: bool, words: str) -> None:
    cells = {"gain": Cell(value=-1.0, low=-2.0, high=0.5, dagger=dagger), "p": Cell(value=p)}
    assert words in readme._scope([[Row(label="A", cells=cells)]], "gain")
    assert readme._signed(cells["gain"]) == "−1.00 [−2.00, 0.50]" + ("†" if dagger else "")
    lost = readme._lost(Row(label="A", cells={"difference": cells["gain"]}))
    assert lost.startswith("A's is 1.00 higher [−0.50, 2.00]")


def test_no_limit_beside_a_dagger_reads_as_zero(readme: ModuleType) -> None:
    cell = Cell(value=0.31, low=0.0041, high=0.62, dagger=True)
    assert readme._signed(cell) == "+0.310 [0.004, 0.620]†"
    assert readme._lost(Row(label="A", cells={"difference": cell})).startswith("A's is 0.310 lower [0.004, 0.620]†")
