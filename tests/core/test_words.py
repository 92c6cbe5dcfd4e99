"""Public names are nouns of the domain, and everything public says what it does (docs/glossary.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    path for name in ("harness", "gdkvm", "baselines", "kernels/echobench_kernels") if (path := ROOT / name).is_dir()
]
FILES = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
EMPTY_WORDS = {"one", "found", "part", "place", "own", "known"}
"""Words that name nothing: a reader has to look up what ``found`` was and ``own`` whose."""
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_definitions(tree: ast.Module) -> Iterator[Definition]:
    """Classes, functions and methods that a user can reach by names without an underscore."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, Definition) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)


def public_names(tree: ast.Module) -> Iterator[str]:
    """Names of public definitions, their parameters and attributes, and of a module's constants."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            yield from assigned(node)
    for node in public_definitions(tree):
        yield node.name
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.Assign | ast.AnnAssign):
                    yield from assigned(item)
        else:
            arguments = node.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                yield argument.arg


def assigned(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_empty(name: str) -> bool:
    """``place`` and ``first_place`` name nothing; ``placement`` and ``part_of_speech`` do."""
    return not name.startswith("_") and name.lower().rpartition("_")[2] in EMPTY_WORDS


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("found", True),
        ("rows_found", True),
        ("PLACE", True),
        ("foundation", False),
        ("part_count", False),
        ("_own", False),
    ],
)
def test_a_name_is_empty_where_its_last_word_is(name: str, empty: bool) -> None:
    assert is_empty(name) is empty


def test_no_public_name_ends_in_a_word_that_names_nothing() -> None:
    names = {
        (str(file.relative_to(ROOT)), name) for file in FILES for name in public_names(ast.parse(file.read_text()))
    }
    assert sorted(item for item in names if is_empty(item[1])) == []


def test_everything_public_has_a_docstring() -> None:
    without = []
    for file in FILES:
        tree = ast.parse(file.read_text())
        without += [
            f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
            for node in public_definitions(tree)
            if not ast.get_docstring(node) and not is_overload(node)
        ]
    assert without == []


def is_overload(node: Definition) -> bool:
    return any(isinstance(item, ast.Name) and item.id == "overload" for item in node.decorator_list)
