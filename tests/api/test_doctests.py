"""Every example in a docstring runs as it is written, in an empty folder, as a reader would try it."""

from __future__ import annotations

import doctest
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "gdkvm", "baselines")


def modules_with_examples() -> Iterator[str]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "configs" not in path.parts and ">>> " in path.read_text(encoding="utf-8"):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all modules, so that the small phantom of the examples is made once."""
    return tmp_path_factory.mktemp("reader")


@pytest.mark.slow
@pytest.mark.parametrize("module", list(modules_with_examples()))
def test_the_examples_of(module: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path.cwd()
    os.chdir(empty_folder)  # not monkeypatch: a failing example must not leave later tests in that folder either
    try:
        outcome = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    finally:
        os.chdir(before)
    assert outcome.failed == 0, capsys.readouterr().out
    assert outcome.attempted > 0


def test_every_public_name_has_an_example() -> None:
    import harness

    functions = [name for name in harness.__all__ if name.islower()]
    for name in functions:
        assert ">>> " in (getattr(harness, name).__doc__ or ""), name
