"""No module imports itself by a detour: not at its head, not inside a function, not for a type annotation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "gdkvm", "baselines", "kernels")

Graph = dict[str, set[str]]


def module_files(root: Path) -> dict[str, Path]:
    """Every module of the packages below ``root`` by its dotted name."""
    files = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imported(path: Path, modules: set[str]) -> Iterator[str]:
    """Modules that a file names in an import statement, wherever that stands in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively; the graph below reads absolute names only"
            for alias in node.names:
                # `from harness.store import runs` means the module runs; any other name is the package's own.
                submodule = f"{node.module}.{alias.name}"
                yield from [name for name in (submodule, node.module) if name in modules][:1]


def import_graph(root: Path) -> Graph:
    """Edges from each module to the modules that it imports; a package's own ``__init__`` is one of them."""
    files = module_files(root)
    return {name: set(imported(path, set(files))) - {name} for name, path in files.items()}


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """The strongly connected components of more than one module (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[tuple[str, ...]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target in graph[module]:
            if target not in order:
                visit(target)
            if target in stack:
                lowest[module] = min(lowest[module], lowest[target])
        if lowest[module] == order[module]:
            start = stack.index(module)
            components.append(tuple(sorted(stack[start:])))
            del stack[start:]

    for module in graph:
        if module not in order:
            visit(module)
    return sorted(component for component in components if len(component) > 1)


def test_no_module_imports_itself_by_a_detour() -> None:
    assert circles(import_graph(ROOT)) == []


@pytest.mark.parametrize(
    "back",
    ["from harness.low import y", "def f():\n    from harness import low", "if TYPE_CHECKING:\n    import harness.low"],
    ids=["at the head", "inside a function", "for an annotation"],
)
def test_a_circle_is_seen_wherever_its_import_stands(back: str, tmp_path: Path) -> None:
    package = tmp_path / "harness"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "low.py").write_text("import harness.high\ny = 1\n")
    (package / "high.py").write_text(f"{back}\n")
    assert circles(import_graph(tmp_path)) == [("harness.high", "harness.low")]
    (package / "high.py").write_text("y = 1\n")
    assert circles(import_graph(tmp_path)) == []
