"""The decision pages and their index belong together."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"


def test_the_index_names_every_page_once_and_no_other() -> None:
    linked = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (FOLDER / "README.md").read_text())
    assert sorted(linked) == sorted(path.name for path in FOLDER.glob("[0-9]*.md"))
