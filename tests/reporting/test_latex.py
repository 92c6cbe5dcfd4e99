"""Tables compile with a real LaTeX, and their numbers stand below each other."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.reporting.render.latex import to_latex
from harness.reporting.report import write_report
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.result_set import ResultSet

NASTY = "50%_of $U-Net$ & {x} #1 ~^\\ <b>|'\"` [a] ± é µ ñ 心 — … \x07"
PREAMBLE = (
    "\\documentclass{article}\\usepackage{booktabs}\\usepackage{siunitx}\\usepackage{graphicx}\\begin{document}\n"
)


def compile_latex(folder: Path, name: str) -> str:
    """Run pdflatex without any interaction; returns its log, fails the test on an error."""
    for program in ("pdflatex", "pdftotext"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (texlive-latex-extra, texlive-science, poppler-utils)")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", name]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if line.startswith(("!", "l.")))
    return done.stdout


def words(folder: Path, name: str) -> list[tuple[float, float, str]]:
    """Right edge, top and text of every word of the first page, in points."""
    done = subprocess.run(["pdftotext", "-bbox", name, "-"], cwd=folder, capture_output=True, text=True, check=True)
    pattern = r'yMin="([\d.]+)" xMax="([\d.]+)" yMax="[\d.]+">(.*?)</word>'
    return [(float(x), float(y), text) for y, x, text in re.findall(pattern, done.stdout)]


def marked_table() -> Table:
    column = Column(key="dice", header="Dice", unit="%", direction="up", digits=1)
    other = Column(key="hd", header="A much longer header than its numbers", direction="down", digits=2)
    values = [(93.4, 3.25, False), (101.2, 12.5, True), (95.6, 4.75, True), (7.8, 11.11, False)]
    rows = [
        Row(label=f"m{i}", cells={"dice": Cell(value=dice, dagger=dagger), "hd": Cell(value=hd)})
        for i, (dice, hd, dagger) in enumerate(values)
    ]
    return Table(name="t", title="T", caption="C", columns=(column, other), rows=tuple(rows))


def test_underlined_and_daggered_numbers_align_with_plain_ones_at_the_decimal_point(tmp_path: Path) -> None:
    (tmp_path / "t.tex").write_text(PREAMBLE + to_latex(marked_table(), star=False) + "\\end{document}\n")
    compile_latex(tmp_path, "t.tex")
    edges = {text.rstrip("†"): right for right, _, text in words(tmp_path, "t.pdf")}
    # 95.6 is second best (underlined) with a dagger, 93.4 and 7.8 are plain; 101.2 is bold and so a little wider
    assert edges["7.8"] == pytest.approx(edges["93.4"], abs=0.05)
    plain, second = edges["12.50"], edges["4.75"]
    assert second == pytest.approx(plain, abs=0.05)
    assert edges["11.11"] == pytest.approx(plain, abs=0.05)


def test_any_label_compiles(tmp_path: Path) -> None:
    column = Column(key="v", header=NASTY, unit="%")
    rows = (Row(label=NASTY, cells={"v": Cell(value=-1.5, low=-2, high=3)}), Row(label="empty"))
    table = Table(name=NASTY, title=NASTY, caption=NASTY, columns=(column,), rows=rows, notes=(NASTY,), mark=NASTY)
    (tmp_path / "t.tex").write_text(PREAMBLE + to_latex(table) + "\\end{document}\n", encoding="utf-8")
    log = compile_latex(tmp_path, "t.tex")
    assert "Missing character" not in log


def test_a_copy_of_the_report_s_folder_compiles_with_its_citations(
    make_suite: Callable[..., ResultSet], tmp_path: Path
) -> None:
    suite = make_suite(patients=12, structures=("lv", "myo"), mark="partial: 4CH only", models=("GDKVM", "U-Net"))
    written = write_report(suite, tmp_path / "report", [])
    folder = tmp_path / "sent to a co-author"
    shutil.copytree(tmp_path / "report", folder)
    compile_latex(folder, "paper.tex")
    if shutil.which("bibtex") is None:
        pytest.skip("bibtex is not installed (texlive-binaries)")
    cited = subprocess.run(["bibtex", "paper"], cwd=folder, capture_output=True, text=True, check=False)
    assert cited.returncode == 0, cited.stdout
    compile_latex(folder, "paper.tex")
    log = compile_latex(folder, "paper.tex")
    assert "undefined" not in log
    assert "multiply defined" not in log
    text = " ".join(word for _, _, word in words(folder, "paper.pdf"))
    assert "partial: 4CH only" in text
    assert {"table.tex", "table_onecolumn.tex", "parts_lv.tex", "parts_myo.tex", "lvef.tex", "cost.tex", "comparisons.tex"} <= {
        path.name for path in written
    }  # fmt: skip


def test_a_table_too_tall_for_a_page_goes_on_at_a_group(tmp_path: Path) -> None:
    column = Column(key="v", header="V", direction="up", digits=0)
    rows = [
        Row(label=f"row {g} {i}", group=f"group {g}", cells={"v": Cell(value=i)}) for g in range(15) for i in range(5)
    ]
    table = Table(name="tall", title="Tall", caption="C", columns=(column,), rows=tuple(rows))
    text = to_latex(table)
    assert text.count(r"\begin{table*}") == 3
    assert text.count(r"\label{") == 1
    assert text.count("(continued)") == 2
    assert all(text.count(label + " &") == 1 for label in ("row 14 4", "row 0 0"))
    (tmp_path / "t.tex").write_text(PREAMBLE + text + "\\end{document}\n", encoding="utf-8")
    assert "Float too large" not in compile_latex(tmp_path, "t.tex")


def test_printed_numbers_of_others_align_and_words_do_not() -> None:
    columns = (Column(key="a", header="A", text=True), Column(key="b", header="B", text=True))
    rows = [Row(label=str(k), cells={"a": Cell(text=a), "b": Cell(text=b)}) for k, (a, b) in enumerate((("-0.70", "x"), ("12.5", ""), ("", "1")))]  # fmt: skip
    text = to_latex(Table(name="p", title="P", caption="C", columns=columns, rows=tuple(rows)))
    assert "S[table-format=-2.2]l@" in text
    assert "& {--} & 1" in text


def test_the_spread_over_seeds_stands_below_the_interval() -> None:
    column = Column(key="v", header="V", digits=1)
    row = Row(label="m", cells={"v": Cell(value=90, low=89, high=91, seed_sd=0.25)})
    lines = to_latex(Table(name="p", title="P", caption="C", columns=(column,), rows=(row,))).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("m &"))
    assert "[89.0, 91.0]" in lines[at + 1]
    assert r"$\pm$\,0.2" in lines[at + 2]
