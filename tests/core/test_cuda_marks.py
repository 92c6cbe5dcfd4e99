"""Every test that needs a CUDA device carries the mark: a short visit to one runs ``pytest -m cuda`` and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
NEEDS = ("no CUDA device", "this machine has no CUDA device", "device=cuda")


def unmarked(source: str) -> list[str]:
    """Tests of a module that move something to CUDA, or skip without it, and are not marked ``cuda``."""
    tree = ast.parse(source)
    module = any("pytestmark" in ast.unparse(node) and "mark.cuda" in ast.unparse(node) for node in tree.body)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    found = [node for node in functions if _needs(node) and not module]
    return [node.name for node in found if not any("mark.cuda" in ast.unparse(item) for item in node.decorator_list)]


def _needs(function: ast.FunctionDef) -> bool:
    for node in ast.walk(function):
        moves = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda"
        # Decorators count too: a test may skip itself there.
        says = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(NEEDS)
        if (moves and not node.args) or says:
            return True
    return False


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_tests_that_need_cuda_say_so(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if "cuda" not in source or path == Path(__file__):
        return
    refused = {"test_cuda_is_refused_in_words_where_there_is_none"}
    assert set(unmarked(source)) <= refused


def test_a_missing_mark_is_noticed() -> None:
    body = "def test_it():\n    model.cuda()\n"
    skipping = "@pytest.mark.skipif(not has(), reason='no CUDA device')\ndef test_it():\n    pass\n"
    assert unmarked(body) == unmarked(skipping) == ["test_it"]
    assert unmarked(f"@pytest.mark.cuda\n{body}") == []
    assert unmarked(f"pytestmark = [pytest.mark.cuda]\n{body}") == []
