"""``requirements.lock`` pins what pyproject.toml asks for, every file by its hash, and says nothing of where files come from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"([A-Za-z0-9][\w.-]*)==(\S+) ((?:--hash=sha256:[0-9a-f]{64} ?)+)")


def pinned() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    matches = [LINE.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, matches, strict=True) if match is None] == []
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


def asked_for() -> list[Requirement]:
    """The dependencies and those of the extra ``test``, which names other extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting, extras = list(project["dependencies"]), ["test"]
    while extras:
        for text in project["optional-dependencies"][extras.pop()]:
            requirement = Requirement(text)
            # Sorted: a set of words has another order in every process, and processes must collect the same tests.
            extras += sorted(requirement.extras) if requirement.name == "echobench" else []
            waiting += [text] if requirement.name != "echobench" else []
    return [Requirement(text) for text in waiting]


@pytest.mark.parametrize("requirement", asked_for(), ids=lambda item: item.name)
def test_every_dependency_is_pinned_to_a_version_that_is_allowed(requirement: Requirement) -> None:
    version = pinned()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(Version(version), prereleases=True)


def test_the_lock_file_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "index" not in text
    assert "find-links" not in text


def test_torch_is_the_version_of_the_constraints() -> None:
    (constraint,) = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch==")]
    assert pinned()["torch"].partition("+")[0] == constraint.removeprefix("torch==")
