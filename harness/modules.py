"""Modules of users: files loaded by path, each folder's under names of its own.

Two experiments in two folders both call their file ``mynet.py`` and their class ``MyNet``. Imported by these names the
second would silently be the first. So a folder is a package ``echobench_user_<hash of its path>`` here, and its files are
modules of that package; an import of a neighbour inside such a file means the neighbour in the same folder.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import BenchError, ConfigError

_PREFIX = "echobench_user_"
_CHANGED = "__echobench_changed__"

_named: set[str] = set()
_trusting = False


def trust_records() -> None:
    """From here on this process also imports modules that only records name: the user has agreed (``--trust``)."""
    global _trusting
    _trusting = True


def name_modules(names: Iterable[str]) -> None:
    """Note modules as named by the user, on this command line or in a config that it names."""
    # Resolved: the same file named by another path is no other permission.
    _named.update(str(Path(name).resolve()) if name.endswith(".py") else name for name in names)


def granted() -> tuple[frozenset[str], bool]:
    """What this process may import, to be handed to a worker process: see ``grant``."""
    return frozenset(_named), _trusting


def grant(state: tuple[frozenset[str], bool]) -> None:
    """Take over what the process that started this one may import."""
    name_modules(state[0])
    if state[1]:
        trust_records()


def require_named(name: str, where: str) -> None:
    """Let a module that a record names pass only where the user named it too, or agreed with ``--trust``.

    Args:
        name: dotted name, or path of a file.
        where: the record, for the sentence.

    Raises:
        ConfigError: neither is so.
    """
    if not _trusting and (str(Path(name).resolve()) if name.endswith(".py") else name) not in _named:
        raise ConfigError(
            f"{where} wants the code in {name}, and code that only data name is not run unasked; look at it, then give "
            "--trust (in Python: trust=True)."
        )


def import_recorded(names: Iterable[str], build: Any, where: str) -> None:
    """Import the modules that a record of a model names, each only as ``require_named`` allows it.

    Args:
        names: the record's ``custom_imports``.
        build: the model's config; a file of code that it names anywhere (a config of mmsegmentation) is asked for too.
        where: the record, for the sentence.

    Raises:
        ConfigError: a module that the user did not name, or that cannot be imported any more.
    """
    # mmsegmentation executes a config file as Python: naming it is running it.
    for file in _files_of_code(build):
        require_named(file, where)
    for name in names:
        require_named(name, where)
        try:
            _import(name, None)
        except ImportError as error:
            raise ConfigError(f"{where} wants the module {name}, which cannot be imported: {error}.") from error


def import_modules(names: Iterable[str], folder: Path | None = None) -> tuple[str, ...]:
    """Import modules that the user names; returns what to give to this function to import them again anywhere.

    Args:
        names: dotted names, or paths of files (``*.py``).
        folder: a name is looked for here first.

    Returns:
        For each: its path where it is a file of a user, else its name.

    Raises:
        ConfigError: a path that is no file, or a module that raises or ends the process. ImportError: one that is not there.
    """
    imported = tuple(_import(name, folder) for name in names)
    name_modules(imported)
    return imported


def _files_of_code(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield from [config] if config.endswith(".py") else []
    elif isinstance(config, dict | list | tuple):
        for value in config.values() if isinstance(config, dict) else config:
            yield from _files_of_code(value)


def user_folder(imports: Iterable[str]) -> str:
    """Name of the folder of the first file among imports as ``import_modules`` returns them; empty where there is none.

    >>> user_folder(["mymodels.nets", "/home/me/exp1/mynet.py"])
    'exp1'
    """
    return next((Path(item).parent.name for item in imports if item.endswith(".py")), "")


def folder_scope(folder: Path) -> str:
    """Eight hex digits that tell a folder from all others."""
    # By path: two folders of one name are two packages. No identity holds this hash.
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]


def user_package(folder: Path) -> str:
    """The full name that the package of a user's folder has here."""
    return f"{_PREFIX}{folder_scope(folder)}"


def file_of(item: Any) -> Path | None:
    """The user's file that defines a class or function; None for code of a package."""
    module = sys.modules.get(item.__module__)
    return Path(module.__file__) if module is not None and scope_of(item.__module__) and module.__file__ else None


def scope_of(module: str) -> str:
    """The folder's scope of a module's full name; empty for ordinary modules."""
    return module.removeprefix(_PREFIX).partition(".")[0] if module.startswith(_PREFIX) else ""


def _import(name: str, folder: Path | None) -> str:
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            raise ConfigError(f"The file {name} does not exist any more; put it back, or train its model again.")
        # As a module of its folder's package: ``import blocks`` inside it then means its neighbour.
        _execute(f"{_package(path.parent)}.{path.stem}", name)
        return str(path)
    if folder is not None and (file := beside(folder, name)) is not None:
        _execute(f"{_package(folder)}.{name}", name)
        return str(file)
    _execute(name, name)
    return name


def _execute(module: str, name: str) -> None:
    try:
        importlib.import_module(module)
    except (ImportError, BenchError):
        raise
    # A user's module may raise anything, and one that ends the process would end this command with exit code 0.
    except (Exception, SystemExit) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ConfigError(
            f"The module {name} cannot be imported ({type(error).__name__}: {reason}); correct it."
        ) from error


def beside(folder: Path, name: str) -> Path | None:
    """The file of a module in a user's folder; None where there is none."""
    base = folder.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _package(folder: Path) -> str:
    """The package that stands for a folder, made where it is missing."""
    name = user_package(folder)
    _forget_changed(name)
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder.resolve())]
        sys.modules[name] = package
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            # First in the list, and silent for every other name.
            sys.meta_path.insert(0, _Finder())
    return name


def _forget_changed(package: str) -> None:
    """Drop a folder's modules where a file was edited since: in a notebook the next import reads them again.

    Else the hash of the code, which is that of the files, would stand for code that does not run.
    """
    modules = {name: module for name, module in sys.modules.items() if name.startswith(f"{package}.")}
    loaded = ((Path(module.__file__), module.__dict__.get(_CHANGED)) for module in modules.values() if module.__file__)
    if any(not path.is_file() or path.stat().st_mtime_ns != changed for path, changed in loaded):
        for name in (*modules, package):
            sys.modules.pop(name, None)


class _Finder(MetaPathFinder):
    """Finds the modules of such packages as Python does, and gives them a loader that knows their neighbours."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(_PREFIX):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        """Run a module whose ``import mynet`` means the ``mynet`` beside it, at any time."""
        # A module's own __builtins__ is where its import statements look for __import__ (CPython, since 2.x): unlike an
        # entry in sys.path or sys.modules it holds for this module alone, and for imports inside functions as well.
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _scoped_import}
        module.__dict__[_CHANGED] = Path(self.path).stat().st_mtime_ns
        super().exec_module(module)
        _pickle_by_value(module)


def _scoped_import(
    name: str, globals: dict[str, Any] | None = None, locals: Any = None, fromlist: Any = (), level: int = 0
) -> Any:
    package = (globals or {}).get("__name__", "").partition(".")[0]
    if level == 0 and package.startswith(_PREFIX) and beside(Path(sys.modules[package].__path__[0]), name) is not None:
        module = importlib.import_module(f"{package}.{name}")
        # ``import a.b`` binds a, ``from a.b import c`` needs a.b
        return module if fromlist else sys.modules[f"{package}.{name.partition('.')[0]}"]
    return builtins.__import__(name, globals, locals, fromlist, level)


def _pickle_by_value(module: ModuleType) -> None:
    """A worker process of the pool does not know the module's name: its classes travel whole."""
    if importlib.util.find_spec("cloudpickle") is not None:
        import cloudpickle

        cloudpickle.register_pickle_by_value(module)
