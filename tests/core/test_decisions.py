"""The documentation names everything that there is: pages in their indexes, rooms and modules in the table of rooms."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def links(page: Path) -> set[str]:
    return {target.partition("#")[0] for target in re.findall(r"\]\(([\w./-]+\.md(?:#[\w-]+)?)\)", page.read_text())}


def test_the_index_of_decisions_lists_every_page_and_no_other() -> None:
    pages = {page.name for page in (DOCS / "decisions").glob("*.md")} - {"README.md"}
    assert len(pages) > 20
    assert links(DOCS / "decisions" / "README.md") == pages


def test_a_decision_that_was_reversed_names_the_page_that_says_so() -> None:
    for page in (DOCS / "decisions").glob("0*.md"):
        for replaced in re.findall(r"Replaces \[\d{4}\]\((\S+?)\)", page.read_text()):
            assert page.name in links(page.with_name(replaced))


def test_the_first_page_leads_to_every_other() -> None:
    pages = {page.name for page in DOCS.glob("*.md")} - {"index.md"}
    assert pages - links(DOCS / "index.md") == set()


def test_the_table_of_rooms_names_every_room_and_every_module_beside_them() -> None:
    table = (DOCS / "architecture.md").read_text().partition("## Rooms")[2].partition("\n## ")[0]
    firsts = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    harness = ROOT / "harness"
    rooms = {
        f"{path.name}/" for path in harness.iterdir() if (path / "__init__.py").is_file() or path.name == "configs"
    }
    modules = {path.name for path in harness.glob("[a-z]*.py")}
    assert len(rooms) > 15
    assert sorted(name for name in rooms | modules if name not in firsts) == []


def named_paths(text: str) -> list[str]:
    """Files and folders of the repository that a page names in backticks, ``a/{b,c}.py`` as both."""
    found = re.findall(r"`((?:tests|harness|benchmarks|gdkvm|baselines|tools|examples|kernels)/[\w./*{},-]+)`", text)
    spelt = [re.fullmatch(r"(.*)\{(.*)\}(.*)", name) for name in found]
    return [
        f"{match[1]}{word}{match[3]}" if match else name
        for name, match in zip(found, spelt, strict=True)
        for word in (match[2].split(",") if match else [""])
    ]


def test_every_file_that_a_page_names_is_there() -> None:
    pages = [*DOCS.rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]
    names = {(page.name, name) for page in pages for name in named_paths(page.read_text())}
    assert len(names) > 50
    missing = sorted(name for _, name in names if not list(ROOT.glob(name)))
    assert set(missing) <= {"tools/equivalent_mutants.csv"}  # begun by whoever finds the first of them
