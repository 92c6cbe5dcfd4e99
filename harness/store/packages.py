"""Versions of packages of others that a model is made of: another version of mmsegmentation or timm is another network.

What echobench itself requires (torch, numpy, ...) does not count: a patch of torch must not make every run one of other
code, and each run's record holds those versions anyway (``environment.py``).
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PROJECT = ("harness", "gdkvm", "baselines")
"""Packages whose source is hashed itself."""


def package_versions(files: Iterable[Path], inside: Iterable[str]) -> list[str]:
    """``mmsegmentation==1.2.2`` for each package of others that a file imports, sorted; one that is absent has no entry.

    Args:
        files: sources of models, losses and transforms outside of the harness.
        inside: top names that are files of the same user, and no package.
    """
    tops = {name.partition(".")[0] for file in files for name in _named(file, file.stat().st_mtime_ns)}
    others = tops - sys.stdlib_module_names - {*PROJECT, *inside} - {_plain(name) for name in _required()}
    # Asked only where something is left: reading what every installed distribution holds takes most of a second.
    distributions = {name for top in others for name in _distributions().get(top, ())}
    counted = {name for name in distributions if _plain(name) not in {_plain(base) for base in _required()}}
    return sorted(f"{name}=={importlib.metadata.version(name)}" for name in counted)


@functools.cache
def _named(file: Path, changed_ns: int) -> frozenset[str]:
    """Modules that a file imports by absolute names, also by ``import_module("...")``: an optional extra is imported so."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return frozenset()
    return frozenset(name for node in ast.walk(tree) for name in _names_of(node))


def _names_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "import_module":
        yield from (str(item.value) for item in node.args[:1] if isinstance(item, ast.Constant))


@functools.cache
def _required() -> frozenset[str]:
    """Distributions that echobench requires without any extra."""
    try:
        stated = importlib.metadata.requires("echobench") or []
    except importlib.metadata.PackageNotFoundError:
        stated = []
    return frozenset(re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in stated if "extra ==" not in text)


@functools.cache
def _distributions() -> dict[str, list[str]]:
    # A name may be listed twice (an editable install holds two top folders).
    return {top: sorted(set(names)) for top, names in importlib.metadata.packages_distributions().items()}


def _plain(name: str) -> str:
    """Names of distributions and of packages differ in hyphens and capitals alone, mostly."""
    return name.lower().replace("-", "_")
