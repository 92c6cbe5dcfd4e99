"""A sample paper that shows every table and figure of a report: compile it in the report's folder with ``pdflatex``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.reporting.captions import caption
from harness.reporting.figures.charts import inches
from harness.reporting.figures.style import COLUMN_INCHES
from harness.reporting.render.latex import escape_latex
from harness.reporting.sections import Section
from harness.reporting.tables.table import Table

PACKAGES = ("booktabs", "siunitx", "graphicx")
"""What the tables need; the sample adds the page's size."""

_PAGE = 6.8
"""Width of the sample's page in inches; wider figures fill it, others keep their size."""

_HEAD = r"""% pdflatex paper.tex, twice
\documentclass[twocolumn]{article}
\usepackage[a4paper, margin=18mm]{geometry}
@packages@
\setcounter{totalnumber}{20}
\setcounter{topnumber}{8}
\setcounter{dbltopnumber}{8}
\renewcommand{\topfraction}{0.95}
\renewcommand{\dbltopfraction}{0.95}
\renewcommand{\textfraction}{0.01}
\renewcommand{\floatpagefraction}{0.8}
\renewcommand{\dblfloatpagefraction}{0.8}
\makeatletter
\setlength{\@fptop}{0pt}
\setlength{\@dblfptop}{0pt}
\makeatother
\begin{document}
"""


def paper(
    tables: Sequence[Table], figures: Mapping[str, bytes], sections: Sequence[Section] = (), frames: str = ""
) -> str:
    """LaTeX source of the sample.

    ``tables`` are read as ``<name>.tex``, ``figures`` (PNG bytes by name, which say how wide they are) as
    ``figures/<name>.pdf``; those of ``sections`` from the sections' own folders. Published tables come last.
    ``frames`` says how many frames the models saw; it ends the caption of each of ``figures``.
    """
    packages = "\n".join(rf"\usepackage{{{name}}}" for name in PACKAGES)
    measured = [_input(table.name) for table in tables if not table.published]
    blocks = [
        *measured,
        r"\clearpage",
        *(
            _figure(f"figures/{name}", f"{caption(name)} {frames}".strip(), inches(png)[0])
            for name, png in figures.items()
        ),
        *(line for section in sections for line in _section(section)),
        r"\clearpage",
        *(_input(table.name) for table in tables if table.published),
    ]
    return _HEAD.replace("@packages@", packages) + "\n" + "\n".join(blocks) + "\n\\end{document}\n"


def _section(section: Section) -> list[str]:
    pictures = {name: section.folder / "figures" / f"{name}.png" for name, _ in section.figures}
    return [
        r"\clearpage",
        *(
            _input(f"{section.relative_path}/{t.name}")
            for t in section.tables
            if (section.folder / f"{t.name}.tex").is_file()
        ),
        *(
            _figure(f"{section.relative_path}/figures/{name}", text, inches(pictures[name].read_bytes())[0])
            for name, text in section.figures
        ),
    ]


def _input(stem: str) -> str:
    return rf"\input{{{stem}.tex}}"


def _figure(stem: str, text: str, across: float) -> str:
    kind = "figure*" if across > 1.2 * COLUMN_INCHES else "figure"
    width = r"\columnwidth" if kind == "figure" else rf"{across:.2f}in" if across < _PAGE else r"\textwidth"
    return (
        f"\\begin{{{kind}}}[t]\n\\centering\n\\includegraphics[width={width}]{{{stem}.pdf}}\n"
        f"\\caption{{{escape_latex(text)}}}\n\\end{{{kind}}}"
    )
