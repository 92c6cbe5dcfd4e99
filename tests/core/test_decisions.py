"""The decision pages and their index belong together."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"


def test_every_link_of_the_index_leads_to_a_page() -> None:
    linked = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (FOLDER / "README.md").read_text())
    assert len(linked) > 5
    assert [name for name in linked if not (FOLDER / name).is_file()] == []
