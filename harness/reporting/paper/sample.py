"""A sample paper of a report: paragraphs, main tables and figures; it compiles from the report's folder alone.

``pdflatex paper``, ``bibtex paper``, ``pdflatex paper`` twice. At most a dozen pages: of sweeps and studies it shows the first
tables and figures, of the per-case pictures the reference model's; every other table lies beside it, ready for ``\\input``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.files import write_bytes, write_text
from harness.reporting.captions import caption
from harness.reporting.figures.charts import inches
from harness.reporting.figures.style import COLUMN_INCHES
from harness.reporting.paper.bibliography import bibliography
from harness.reporting.paper.one_column import one_column_latex
from harness.reporting.paper.paragraphs import methods_paragraph, results_paragraph
from harness.reporting.render.latex import escape_latex, to_latex
from harness.reporting.sections import Section
from harness.reporting.tables.table import Table
from harness.results.clip_lengths import frames_sentence
from harness.results.result_set import ResultSet

PACKAGES = ("booktabs", "siunitx", "graphicx")
"""What the tables need; the sample adds the page's size."""

OF_A_SECTION = 2
"""Tables and figures that the sample shows of a sweep or study: its summary and what it is compared by."""

_PAGE = 6.8
"""Width of the sample's page in inches; wider figures fill it, others keep their size."""

_HEAD = r"""% pdflatex paper, bibtex paper, pdflatex paper twice
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


def write_paper(
    results: ResultSet,
    tables: Sequence[Table],
    figures: Mapping[str, bytes],
    sections: Sequence[Section],
    folder: Path,
) -> list[Path]:
    """Write ``paper.tex`` and what it reads that is not there yet; returns the paths.

    Args:
        results: what the paragraphs are about.
        tables: of the report, the main one first; already written as ``<name>.tex``.
        figures: PNG bytes by name, which say how wide they are; ``figures/<name>.pdf`` is read.
        sections: sweeps and studies. Their tables are written into the paper itself, figures that lie outside of ``folder``
            are copied: a folder that is sent to a co-author compiles.
        folder: the report's.
    """
    methods = methods_paragraph(results)
    texts = {
        "table_onecolumn.tex": one_column_latex(tables[0], results),
        "results.tex": results_paragraph(results, tables[0]),
        "methods.tex": methods,
        "references.bib": bibliography(methods),
        "paper.tex": paper(tables, figures, sections, frames_sentence(results)),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    for section in sections:
        for stem, _ in _shown(section):
            if _outside(section):
                write_bytes(folder / _target(section, stem), _picture(section, stem).read_bytes())
    return [folder / name for name in texts]


def paper(
    tables: Sequence[Table], figures: Mapping[str, bytes], sections: Sequence[Section] = (), frames: str = ""
) -> str:
    """LaTeX source of the sample; ``frames`` (how many frames the models saw) ends the caption of each of ``figures``."""
    packages = "\n".join(rf"\usepackage{{{name}}}" for name in PACKAGES)
    # One model's cases are enough for a sample; the rest lies beside it.
    overlays = [name for name in figures if name.startswith("overlays_")]
    blocks = [
        r"\input{methods.tex}",
        r"\input{results.tex}",
        _input("table_onecolumn"),
        *(_input(table.name) for table in tables if not table.published),
        *(
            _figure(f"figures/{name}.pdf", f"{caption(name)} {frames}".strip(), inches(png)[0])
            for name, png in figures.items()
            if name not in overlays[1:]
        ),
        *(line for section in sections for line in _section(section)),
        r"\bibliographystyle{plain}",
        r"\bibliography{references}",
    ]
    # Not str.format: LaTeX is full of braces.
    return _HEAD.replace("@packages@", packages) + "\n" + "\n".join(blocks) + "\n\\end{document}\n"


def _section(section: Section) -> Iterator[str]:
    yield from (to_latex(table) for table in section.tables[:OF_A_SECTION])
    for stem, text in _shown(section):
        width = inches((section.folder / "figures" / f"{stem}.png").read_bytes())[0]
        yield _figure(_target(section, stem), text, width)


def _shown(section: Section) -> tuple[tuple[str, str], ...]:
    return section.figures[:OF_A_SECTION]


def _outside(section: Section) -> bool:
    return section.relative_path.startswith("../")


def _picture(section: Section, stem: str) -> Path:
    """The figure as vectors where it was kept, else as pixels."""
    pdf = section.folder / "figures" / f"{stem}.pdf"
    return pdf if pdf.is_file() else pdf.with_suffix(".png")


def _target(section: Section, stem: str) -> str:
    """Where the paper finds a section's figure: in the report's own folder."""
    suffix = _picture(section, stem).suffix
    if _outside(section):
        # With the section's key: two studies have figures of the same name.
        return f"figures/{section.key}-{stem}{suffix}"
    return f"{section.relative_path}/figures/{stem}{suffix}"


def _input(stem: str) -> str:
    return rf"\input{{{stem}.tex}}"


def _figure(file: str, text: str, across: float) -> str:
    kind = "figure*" if across > 1.2 * COLUMN_INCHES else "figure"
    width = r"\columnwidth" if kind == "figure" else rf"{across:.2f}in" if across < _PAGE else r"\textwidth"
    return (
        f"\\begin{{{kind}}}[t]\n\\centering\n\\includegraphics[width={width}]{{{file}}}\n"
        f"\\caption{{{escape_latex(text)}}}\n\\end{{{kind}}}"
    )
