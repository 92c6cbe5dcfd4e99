"""The true extension points, as children of mmengine's registries with the scope ``harness``.

Only what is registered is ever built. mmengine also takes a dotted name for anything that can be imported, so that a config
whose type says ``subprocess.Popen`` runs a command; configs also come from ``run.json`` of other people's folders.

A third party registers a class with ``@MODELS.register_module()`` and names its module either in the
``custom_imports`` of its config or in the entry-point group ``echobench.plugins`` of its package; a package of engines
names its own in ``echobench.engines``.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mmengine.registry import DATASETS as _MM_DATASETS
from mmengine.registry import METRICS as _MM_METRICS
from mmengine.registry import MODELS as _MM_MODELS
from mmengine.registry import TRANSFORMS as _MM_TRANSFORMS
from mmengine.registry import Registry

from harness.errors import ConfigError, unknown
from harness.modules import import_modules, scope_of, user_package


def check_types(config: Any) -> None:
    """Refuse a config that could reach code which nobody registered, at any depth of it.

    Raises:
        ConfigError: a ``type`` that is no plain name (dotted, or no text), or mmengine's key ``_scope_``, which imports.
    """
    for key, value in _pairs(config):
        if key == "_scope_":
            raise ConfigError("A config may not have the key '_scope_': it imports the package that it names.")
        if key.rpartition(".")[2] == "type" and (not isinstance(value, str) or "." in value.partition("@")[0]):
            raise ConfigError(
                f"The type {value!r} is no registered name: only classes of a registry are built, never by a dotted name. "
                "Register the class, and name its module in custom_imports."
            )


def build_registered(registry: Registry, config: Mapping[str, Any]) -> Any:
    """The object of a config whose ``type`` is registered in a registry or in one of its parents.

    Raises:
        ConfigError: no such name (with the nearest one), or as ``check_types``. Whatever the class raises.
    """
    check_types(config)
    # A copy: the config is part of a run's spec and must still hold its type afterwards.
    arguments = dict(config)
    name = arguments.pop("type", None)
    built = registered(registry, str(name))
    if built is None:
        raise unknown(registry.name, str(name), registry.module_dict)
    return built(**arguments)


def registered(registry: Registry, name: str) -> Any:
    """What a registry or one of its parents holds under a name, None for nothing; no module is imported for it.

    ``Registry.get`` imports a module of that name where nothing is registered.
    """
    # Classes register when their module is imported; nobody else has asked for it yet.
    registry.import_from_location()
    if (found := _held(registry, name)) is None and load_plugins():
        # A worker, or a verb that trains nothing, has imported no plugin yet.
        found = _held(registry, name)
    return found


def _held(registry: Registry, name: str) -> Any:
    node: Registry | None = registry
    while node is not None:
        if name in node.module_dict:
            return node.module_dict[name]
        node = node.parent
    return None


def _pairs(config: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield str(key), value
            yield from _pairs(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _pairs(value)


class BenchRegistry(Registry):
    """A registry in which a class of a user's own file has a name of its own: ``MyNet@1f3a5b7c``.

    The part after ``@`` is the folder's (``harness/modules.py``), so that two folders may both hold a ``MyNet``. A plain
    name still finds the class where only one folder has it.
    """

    def register_module(self, name: Any = None, force: bool = False, module: Any = None) -> Any:
        """As in mmengine: a decorator, or a call with ``module``."""
        if module is None:
            return lambda decorated: self.register_module(name, force, decorated)
        names = [name or module.__name__] if name is None or isinstance(name, str) else list(name)
        scope = scope_of(module.__module__)
        # A user's file that was edited is loaded again and registers its classes again.
        scoped = [f"{item}@{scope}" if scope else item for item in names]
        return super().register_module(name=scoped, force=force or bool(scope), module=module)

    def get(self, key: str) -> Any:
        """The class of a name, registered here or in mmengine's registry of the same kind; None where there is none.

        Raises:
            ConfigError: a plain name that classes of several users' folders have, or a dotted name.
        """
        check_types({"type": key})
        if "@" not in key and key not in self.module_dict:
            scoped = [item for item in self.module_dict if item.partition("@")[0] == key]
            if len(scoped) == 1:
                return self.module_dict[scoped[0]]
            if scoped:
                raise ConfigError(
                    f"The {self.name} '{key}' is registered by files of {len(scoped)} folders; name it in a config "
                    "beside its file, or give one of them another name."
                )
        return registered(self, key)

    def build(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        """The object of a config, of registered names alone: see ``build_registered``."""
        check_types(cfg)
        return build_registered(self, cfg)


MODELS = BenchRegistry("model", parent=_MM_MODELS, scope="harness")
DATASETS = BenchRegistry(
    "dataset",
    parent=_MM_DATASETS,
    scope="harness",
    locations=[f"harness.data.{name}" for name in ("camus", "camus_mhd", "camus_phantom", "echonet", "folder")],
)
TRANSFORMS = BenchRegistry(
    "transform",
    parent=_MM_TRANSFORMS,
    scope="harness",
    locations=["harness.data.transforms", "harness.perturbations.augmentation"],
)
METRICS = BenchRegistry("metric", parent=_MM_METRICS, scope="harness", locations=["harness.evaluation.metrics"])
PERTURBATIONS = BenchRegistry("perturbation", scope="harness", locations=["harness.perturbations"])

PUBLISHED = BenchRegistry("published", scope="harness")
"""By the model's name: functions that read a checkpoint of the published code, ``(path, **options) → (model, build)``."""
ENGINES = BenchRegistry("engine", scope="harness", locations=["harness.engines"])

PLUGIN_GROUP = "echobench.plugins"
ENGINE_GROUP = "echobench.engines"


@functools.cache
def load_plugins() -> tuple[str, ...]:
    """Import every package of the entry-point group ``echobench.plugins`` once; return their names.

    Raises:
        ConfigError: a plugin cannot be imported; the sentence names the plugin and the reason.
    """
    return _imported(PLUGIN_GROUP)


@functools.cache
def load_engines() -> tuple[str, ...]:
    """Import every package of the entry-point group ``echobench.engines`` once; return their names.

    They stand apart from ``echobench.plugins`` because they may import model packages to execute them better.

    Raises:
        ConfigError: as ``load_plugins``.
    """
    load_plugins()
    return _imported(ENGINE_GROUP)


def _imported(group: str) -> tuple[str, ...]:
    names = []
    # In a fixed order: two plugins of one name then collide in the same way on every machine.
    for point in sorted(entry_points(group=group), key=lambda item: item.name):
        try:
            importlib.import_module(point.value)
        # Whatever a stranger's module raises: one broken plugin would else end every verb with its traceback.
        except Exception as error:
            raise ConfigError(
                f"The plugin '{point.name}' ({point.value}) cannot be imported: {error}. Repair or uninstall it."
            ) from error
        names.append(point.name)
    return tuple(names)


def list_datasets() -> list[str]:
    """Names of all registered dataset classes."""
    DATASETS.import_from_location()
    return sorted(DATASETS.module_dict)


def list_perturbations(*, passing: bool = False, plugins: bool = False) -> list[str]:
    """Names of the package's perturbations; with ``passing`` also of those that are faults only while they pass.

    Those of installed plugins are listed with ``plugins``; those of users' files are named one by one. "All" means neither.
    """
    PERTURBATIONS.import_from_location()
    if plugins:
        load_plugins()
    return sorted(
        name
        for name, item in PERTURBATIONS.module_dict.items()
        if "@" not in name
        and (plugins or item.__module__.startswith("harness."))
        and (passing or not getattr(item, "passing", False))
    )


def registered_by(registry: Registry, file: str, what: str) -> dict[str, Any]:
    """What a file of a user's registers, by its names in the registry; the file is imported for it.

    Args:
        registry: one of ours.
        file: path of a Python file that the user names.
        what: for the sentence, such as "metric".

    Raises:
        ConfigError: no such file, or it registers nothing here.
    """
    path = Path(file).resolve()
    if not path.is_file():
        raise ConfigError(f"There is no file {file}; name a registered {what} or the file of one of your own.")
    import_modules([file])
    module = f"{user_package(path.parent)}.{path.stem}"
    found = {name: item for name, item in registry.module_dict.items() if item.__module__ == module}
    if not found:
        raise ConfigError(f"{file} registers no {what}; put @{registry.name.upper()}S.register_module(...) above it.")
    return found


def list_engines() -> list[str]:
    """Names of all registered engines, plugins and those of users' loaded files included."""
    load_engines()
    ENGINES.import_from_location()
    return sorted({name.partition("@")[0] for name in ENGINES.module_dict})
