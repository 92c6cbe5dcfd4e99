"""The hash of the source that makes a run's weights and rows, so that other code is another run.

From a few root modules the imports are followed in the syntax trees, inside the rooms that can change a number; nothing
that is hashed is imported. Comments, docstrings and layout do not count. Of packages of others the installed version counts.

Example:
    >>> code_hash(["harness.clip"]) == code_hash(["harness.clip"])
    True
    >>> [module.name for module in source_modules(["harness.evaluation.overlap"])]
    ['harness.evaluation.overlap']
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.files import canonical_hash, sha256_file
from harness.store.packages import package_versions

ROOMS = (
    "harness.clip",
    "harness.data",
    "harness.evaluation",
    "harness.modeling",
    "harness.perturbations",
    "harness.training",
)
"""Rooms of the harness whose code can change weights or rows. What only stores, shows, times or starts work is no part of
a run: a new progress bar must not make every finished run one of other code."""
WITHOUT_INFLUENCE = ("harness.training.hooks", "harness.training.interrupt", "harness.training.tracking")
"""Modules of these rooms that only tell how a training goes, or when it stops."""
DATA_SUFFIXES = (".csv", ".json", ".npy", ".npz", ".txt")
"""Files of numbers that a module names in its source and that lie beside it count like code (a ladder of severities)."""


@dataclass(frozen=True, order=True, slots=True)
class SourceModule:
    """A module that counts: its dotted name (of a user's file: relative to its folder) and its file."""

    name: str
    path: Path


def code_hash(roots: Iterable[str]) -> str:
    """Ten hex digits of everything that the roots reach.

    Args:
        roots: dotted names of modules, or paths of a user's files (``*.py``), which may import their neighbours.
    """
    modules = source_modules(roots)
    sources = [[module.name, _digest(module.path)] for module in modules]
    # The harness itself needs what echobench requires and no more: only models bring packages of others.
    models = [module.path for module in modules if not module.name.startswith("harness.")]
    versions = package_versions(models, inside=[module.name.partition(".")[0] for module in modules])
    # Left out where there are none: the hash of models without such packages is what it was before they counted.
    return canonical_hash([*sources, *([versions] if versions else [])])


def source_modules(roots: Iterable[str]) -> list[SourceModule]:
    """The modules that roots reach, sorted by name; a root that does not exist any more is left out."""
    reached: dict[Path, SourceModule] = {}
    waiting = [start for root in roots if (start := _root(root)) is not None]
    while waiting:
        reading = waiting.pop()
        if reading.path not in reached:
            reached[reading.path] = reading
            waiting += _imported(reading)
    return sorted(reached.values())


def _root(root: str) -> SourceModule | None:
    if root.endswith(".py"):
        file = Path(root)
        return SourceModule(file.stem, file) if file.is_file() else None
    path = _file(root)
    return None if path is None else SourceModule(root, path)


def _imported(module: SourceModule) -> Iterator[SourceModule]:
    """Modules that count among those that a module imports, anywhere in it."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for name, member in _imports(module.path, module.path.stat().st_mtime_ns, package):
        neighbour = _neighbour(module, name)
        if neighbour is not None:
            yield neighbour
        elif _counts(module, name) and (target := _resolve(name, member)) is not None:
            yield target


def _resolve(name: str, member: str | None) -> SourceModule | None:
    """The module that ``import name`` or ``from name import member`` brings: a package's member is looked up in it.

    A package that only gathers names (``from harness.data import prepare``) thus brings the one module asked for, not
    every reader of the package.
    """
    path = _file(name)
    if path is None:
        return None
    if path.name == "__init__.py" and member is not None:
        # A member may be a module of the package or a name that its __init__ gathers.
        inner = _file(f"{name}.{member}")
        if inner is not None:
            return SourceModule(f"{name}.{member}", inner)
        for origin, gathered in _imports(path, path.stat().st_mtime_ns, name):
            if gathered == member:
                return _resolve(origin, member)
    return SourceModule(name, path)


def _neighbour(module: SourceModule, name: str) -> SourceModule | None:
    """A user's module may import files of its own folder by their plain names."""
    if _file(module.name) == module.path:
        return None  # a module of a package
    # The user's folder: as many steps up as the module's name has dots.
    folder = module.path.parents[module.name.count(".")]
    for path in (folder / f"{name.replace('.', '/')}.py", folder / name.replace(".", "/") / "__init__.py"):
        if path.is_file():
            return SourceModule(name, path)
    return None


def _counts(module: SourceModule, name: str) -> bool:
    """Whether an import is followed: the rooms of the harness that make numbers, and the importing module's package."""
    top = name.partition(".")[0]
    if top == "harness":
        inside = any(name == room or name.startswith(f"{room}.") for room in ROOMS)
        return inside and name not in WITHOUT_INFLUENCE
    return top == module.name.partition(".")[0] or top in ("gdkvm", "baselines")


@functools.cache
def _imports(path: Path, changed_ns: int, package: str) -> tuple[tuple[str, str | None], ...]:
    """(module, member or None) of every import in a file, relative ones resolved in ``package``."""
    found: list[tuple[str, str | None]] = []
    for node in _executed(_tree(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found += [(base, alias.name) for alias in node.names]
    return tuple(dict.fromkeys(found))


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, without what stands under ``if TYPE_CHECKING:`` (it is never executed)."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from _executed(node)


@functools.cache
def _file(name: str) -> Path | None:
    """The source file of a module, without importing it or its package; None for modules without one."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        return Path(spec.origin) if not rest and spec.origin and spec.origin.endswith(".py") else None
    for location in spec.submodule_search_locations:
        base = Path(location, *rest)
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file() and (rest or path.name == "__init__.py"):
                return path
    return None


def _digest(path: Path) -> str:
    return _digest_of(path, path.stat().st_mtime_ns)


@functools.cache
def _digest_of(path: Path, changed_ns: int) -> str:
    tree = _tree(path)
    text = "".join(_canonical(tree))
    data = [sha256_file(file) for file in _data_files(tree, path.parent)]
    return hashlib.sha256("\n".join([text, *data]).encode()).hexdigest()


def _tree(path: Path) -> ast.Module:
    """The syntax tree without docstrings; a file that cannot be parsed counts as its text."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return ast.Module(body=[ast.Expr(ast.Constant(path.read_text(errors="replace")))], type_ignores=[])
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_text(item)]
    return tree


def _is_text(node: ast.stmt) -> bool:
    """A text that stands alone: a docstring, also of a constant; it does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _canonical(node: object) -> Iterator[str]:
    """Text of a tree that is the same for all Python versions.

    ``ast.dump`` is not: 3.12 added ``type_params`` and 3.13 leaves out empty lists, so a store shared by two versions
    would hold every run twice. Empty and missing fields are left out here; constants are written with their type.
    """
    if isinstance(node, ast.Constant):
        yield f"({type(node.value).__name__} {node.value!r})"
    elif isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != []:
                yield f" {name}="
                yield from _canonical(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _canonical(item)
        yield "]"
    else:
        yield repr(node)


def _data_files(tree: ast.Module, folder: Path) -> list[Path]:
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = sorted(text for text in texts if text.endswith(DATA_SUFFIXES) and "/" not in text)
    return [folder / name for name in names if (folder / name).is_file()]
