"""Configs are data: finding, loading and overriding them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, unknown
from harness.modules import beside, folder_scope, import_modules

if TYPE_CHECKING:
    from mmengine.config import Config

KINDS = ("datasets", "models", "recipes", "suites", "studies")


def config_root() -> Path:
    """The folder ``configs/``: ``$ECHOBENCH_CONFIGS``, else the one inside the ``harness`` package."""
    root = Path(os.environ.get("ECHOBENCH_CONFIGS", Path(__file__).resolve().parent / "configs"))
    if not root.is_dir():
        raise ConfigError(f"The config folder {root} does not exist; correct or unset ECHOBENCH_CONFIGS.")
    return root


def recipe_for(recipes: Mapping[str, str], clip: str, size: str) -> str | None:
    """The name of the recipe that a dataset's config gives to a size; a clip kind may have its own. None: no recipe.

    ``narrow`` is another small size and is trained as ``small`` is.

    >>> recipe_for({"small": "sequences", "ed_es_small": "stills"}, "ed_es", "small")
    'stills'
    """
    size = "small" if size == "narrow" else size
    return recipes.get(f"{clip}_{size}", recipes.get(size))


def list_configs(kind: str) -> list[str]:
    """Names of the configs of one kind (``datasets``, ``models``, ``recipes``, ``suites``, ``studies``)."""
    return sorted(path.stem for path in (config_root() / kind).glob("*.py") if not path.stem.startswith("_"))


def load(kind: str, name: str) -> Config:
    """Load ``configs/<kind>/<name>.py``, or any config file when ``name`` is a path that ends in ``.py``.

    Modules that a config names in ``custom_imports`` are imported; one that lies beside a config given by its path is
    loaded by path under a name of its own (``harness/modules.py``), stands in the loaded config by its path, and so do
    the types that it registers.

    Raises:
        ConfigError: no such name (with the nearest valid one) or a file that cannot be read.
    """
    # mmengine imports torch: seconds that listing names (help, completion) must not cost
    from mmengine.config import Config

    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"The {_one(kind)} config {name} does not exist.")
    else:
        path = config_root() / kind / f"{name}.py"
        if not path.is_file():
            raise unknown(_one(kind), name, list_configs(kind))
    try:
        cfg = Config.fromfile(str(path), import_custom_modules=False)
        folder = path.resolve().parent if name.endswith(".py") else None
        imports = cfg.get("custom_imports") or {}
        if imports.get("imports"):
            cfg.custom_imports = {**imports, "imports": list(import_modules(_listed(imports["imports"]), folder))}
        if folder is not None:
            _localise(cfg._cfg_dict, folder)
        return cfg
    # A config is Python: it may raise anything, and one that ends the process would end it with exit code 0.
    except (Exception, SystemExit) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "") or type(error).__name__
        raise ConfigError(f"The config {path} cannot be read: {reason}") from error


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _localise(node: Any, folder: Path) -> None:
    """Give what means files of a config's folder their full names, in place: types that they register, and the modules
    of a recipe's own ``custom_imports`` (which training imports, when it builds the hooks)."""
    from harness.registry import DATASETS, METRICS, MODELS, PERTURBATIONS, TRANSFORMS

    if isinstance(node, dict):
        if isinstance(names := node.get("custom_imports"), list | tuple):
            node["custom_imports"] = [str(beside(folder, name) or name) for name in names]
        scoped = f"{node.get('type')}@{folder_scope(folder)}"
        if any(scoped in registry.module_dict for registry in (MODELS, DATASETS, TRANSFORMS, METRICS, PERTURBATIONS)):
            node["type"] = scoped
        for value in node.values():
            _localise(value, folder)
    elif isinstance(node, list | tuple):
        for value in node:
            _localise(value, folder)


def _one(kind: str) -> str:
    """``studies`` → ``study``, ``models`` → ``model``."""
    return kind[:-3] + "y" if kind.endswith("ies") else kind[:-1]


def parse_overrides(items: Iterable[str]) -> dict[str, Any]:
    """Turn ``["recipe.lr=1e-3", "recipe.precision=fp32"]`` into a flat dict; values are Python literals or text."""
    overrides: dict[str, Any] = {}
    for item in items:
        key, separator, text = item.partition("=")
        if not separator or not key:
            raise ConfigError(f"The override '{item}' is not of the form key=value.")
        try:
            overrides[key.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            overrides[key.strip()] = text.strip()
    return overrides


def override(tree: dict[str, Any], overrides: dict[str, Any], where: str = "--set") -> None:
    """Write dotted ``overrides`` into a nested dict in place; every key must exist already.

    Raises:
        ConfigError: a key that the tree does not have, with the nearest valid one.
    """
    for dotted, value in overrides.items():
        node = tree
        *parents, last = dotted.split(".")
        for depth, key in enumerate(parents):
            if not isinstance(node.get(key), dict):
                raise _no_option(dotted, node, parents[:depth], tree, where)
            node = node[key]
        if last not in node:
            raise _no_option(dotted, node, parents, tree, where)
        node[last] = value


def _no_option(dotted: str, node: dict[str, Any], parents: list[str], tree: dict[str, Any], where: str) -> ConfigError:
    """The error about an unknown key: the nearest one of the tree, and a list of those of its section."""
    section = ".".join(parents)
    siblings = [f"{section}.{key}" if section else key for key in node]
    return unknown("option", dotted, siblings, where, elsewhere=_paths(tree))


def _paths(tree: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in tree.items():
        found.append(f"{prefix}{key}")
        if isinstance(value, dict):
            found += _paths(value, f"{prefix}{key}.")
    return found
