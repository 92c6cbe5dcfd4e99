"""The hash of the code: what changes it, what does not, what is followed."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness.store.code import code_hash, source_modules
from harness.store.packages import package_versions

MODEL = '''
"""A model."""
from blocks import Block


class Net:
    """Documented."""

    def forward(self, x):
        # doubles
        return Block()(x) * 2
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "net.py", MODEL)
    write(tmp_path / "blocks.py", "class Block:\n    def __call__(self, x):\n        return x\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    """Write a file with a new time of change, however quickly the last one was written."""
    path.write_text(text)
    write.time += 1_000_000_000  # type: ignore[attr-defined]
    os.utime(path, ns=(write.time, write.time))  # type: ignore[attr-defined]


write.time = 10**18  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# doubles", "# a comment of another kind\n"),
        ('"""Documented."""', '"""Documented at length.\n\n    In two lines.\n    """'),
        ('"""A model."""\n', ""),
        ("Block()(x) * 2", "(Block()(x)\n            * 2)"),
        ("\n\n\nclass Net", "\nclass Net"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(folder, old, new):
    before = code_hash([str(folder / "net.py")])
    assert old in MODEL
    write(folder / "net.py", MODEL.replace(old, new))
    assert code_hash([str(folder / "net.py")]) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("net.py", "* 2", "* 3"), ("net.py", "Net:", "Net(object):"), ("blocks.py", "return x", "return -x")],
)
def test_code_counts_also_in_a_file_that_is_imported(folder, file, old, new):
    before = code_hash([str(folder / "net.py")])
    text = (folder / file).read_text()
    write(folder / file, text.replace(old, new))
    assert code_hash([str(folder / "net.py")]) != before


def test_the_same_files_in_another_folder_are_the_same_code(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in ("net.py", "blocks.py"):
        write(other / name, (folder / name).read_text())
    assert code_hash([str(other / "net.py")]) == code_hash([str(folder / "net.py")])


def test_a_table_of_numbers_that_a_module_names_counts(folder):
    write(folder / "net.py", MODEL + "\nTABLE = 'ladder.csv'\n")
    (folder / "ladder.csv").write_text("1,2\n")
    before = code_hash([str(folder / "net.py")])
    (folder / "ladder.csv").write_text("1,3\n")
    write(folder / "net.py", MODEL + "\nTABLE = 'ladder.csv'\n")
    assert code_hash([str(folder / "net.py")]) != before


def test_imports_are_followed_where_numbers_are_made_and_nowhere_else():
    names = {module.name for module in source_modules(["harness.training.engine", "harness.evaluation.evaluator"])}
    assert {
        "harness.training.losses",
        "harness.training.schedule",
        "harness.data.sampling",
        "harness.data.prepared",
        "harness.evaluation.surface",
        "harness.evaluation.clinical",
        "harness.modeling.contract",
    } <= names
    rooms = {".".join(name.split(".")[:2]) for name in names}
    assert not rooms & {"harness.reporting", "harness.cli", "harness.statistics", "harness.store", "harness.jobs"}


def test_a_model_brings_its_own_package_and_no_other_model():
    names = {module.name for module in source_modules(["gdkvm.model"])}
    assert {"gdkvm.rules", "gdkvm.memory", "gdkvm.fusion"} <= names
    assert not any(name.startswith("baselines") for name in names)
    assert "baselines.stm" not in {module.name for module in source_modules(["baselines.unet"])}


def test_nothing_that_is_hashed_is_imported():
    script = textwrap.dedent(
        """
        import sys
        from harness.store.code import code_hash
        code_hash(["gdkvm.model", "harness.training.engine"])
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("gdkvm", "torch", "mmengine")))
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_canonical_text_does_not_know_fields_that_python_versions_add(folder):
    """``type_params`` (3.12) and empty lists: what every version parses alike must hash alike."""
    import ast

    from harness.store.code import _canonical

    function = ast.parse("def f(x): return x").body[0]
    text = "".join(_canonical(function))
    function.type_params = []  # type: ignore[attr-defined]
    assert "".join(_canonical(function)) == text
    assert "decorator_list" not in text


def test_the_version_of_a_package_of_others_counts_and_that_of_what_echobench_requires_does_not(folder, monkeypatch):
    plain, with_torch, foreign = (folder / name for name in ("plain.py", "with_torch.py", "foreign.py"))
    write(plain, "x = 1\n")
    write(with_torch, "import torch\nimport cv2\nx = 1\n")
    write(foreign, "import mmseg.models\nx = 1\n")
    paths = (plain, with_torch, foreign)
    before = [code_hash([str(path)]) for path in paths]
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.0")
    after = [code_hash([str(path)]) for path in paths]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_mmsegmentation_belongs_to_the_models_that_come_from_it_and_to_no_others(monkeypatch):
    pytest.importorskip("mmseg")
    roots = ("baselines.mmseg", "baselines.unet", "gdkvm.model", "baselines.transunet")
    before = [code_hash([root]) for root in roots]
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.0")
    assert [code_hash([root]) != old for root, old in zip(roots, before, strict=True)] == [True, False, False, False]


def test_a_neighbour_called_like_a_package_is_that_neighbour(folder):
    write(folder / "mmseg.py", "x = 1\n")
    write(folder / "net.py", "import mmseg\n")
    assert package_versions([folder / "net.py"], inside=["net", "mmseg"]) == []
