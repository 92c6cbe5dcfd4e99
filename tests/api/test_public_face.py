"""``import harness`` is light, offers ten names, and says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import harness

PUBLIC = {
    *("Store", "bench", "evaluate", "score", "load_dataset", "load_run", "load_model", "compare", "VideoSegmenter"),
    "MODELS",
}


def test_the_public_names_are_these() -> None:
    assert set(harness.__all__) == PUBLIC
    assert set(dir(harness)) >= PUBLIC
    assert all(name in (harness.__doc__ or "") for name in PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(harness, name).__doc__


def test_importing_harness_imports_no_other_package_and_no_module_of_its_own() -> None:
    code = "import sys; before = set(sys.modules); import harness; print(*sorted(set(sys.modules) - before))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in shown if name.partition(".")[0] not in sys.stdlib_module_names] == ["harness"]


def test_the_registry_comes_with_the_models_in_it() -> None:
    assert {"GDKVM", "UNet", "TransUNet", "STM", "XMem"} <= set(harness.MODELS.module_dict)


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'bensh'"):
        _ = harness.bensh  # type: ignore[attr-defined]
