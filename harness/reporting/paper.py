"""A sample paper that shows every table and figure of a report: compile it in the report's folder with ``pdflatex``."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reporting.all_figures import CAPTIONS
from harness.reporting.render_latex import escape_latex
from harness.reporting.table import Table

PACKAGES = ("booktabs", "siunitx", "graphicx")
"""What the tables need; the sample adds the page's size."""

_WIDE = ("bland_altman", "ef_regression", "learning_curves", "overlays")


def paper(tables: Sequence[Table], figures: Sequence[str]) -> str:
    """LaTeX source of the sample; ``tables`` are read as ``<name>.tex``, ``figures`` as ``figures/<name>.pdf``."""
    packages = "\n".join(rf"\usepackage{{{name}}}" for name in PACKAGES)
    inputs = "\n".join(rf"\input{{{table.name}.tex}}" for table in tables)
    floats = "\n".join(_float(name) for name in figures)
    return (
        "% pdflatex paper.tex, twice\n"
        "\\documentclass[twocolumn]{article}\n"
        "\\usepackage[a4paper, margin=18mm]{geometry}\n"
        f"{packages}\n"
        "\\setcounter{totalnumber}{20}\n\\setcounter{dbltopnumber}{6}\n\\renewcommand{\\dbltopfraction}{0.95}\n"
        "\\renewcommand{\\textfraction}{0.01}\n\\renewcommand{\\dblfloatpagefraction}{0.6}\n"
        "\\begin{document}\n\n"
        f"{inputs}\n\\clearpage\n{floats}\n"
        "\\end{document}\n"
    )


def caption(name: str) -> str:
    """What a figure shows, by its name."""
    if name.startswith("overlays_"):
        return "Best, median and worst case: reference (solid) and prediction (dashed)."
    return CAPTIONS.get(name, name)


def _float(name: str) -> str:
    wide = name.startswith(_WIDE)
    kind = "figure*" if wide else "figure"
    width = r"\textwidth" if wide else r"\columnwidth"
    return (
        f"\\begin{{{kind}}}[t]\n\\centering\n\\includegraphics[width={width}]{{figures/{name}.pdf}}\n"
        f"\\caption{{{escape_latex(caption(name))}}}\n\\end{{{kind}}}"
    )
