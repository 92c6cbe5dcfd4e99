"""The true extension points, as children of mmengine's registries with the scope ``harness``.

A third party registers a class with ``@MODELS.register_module()`` and names its module either in the
``custom_imports`` of its config or in the entry-point group ``echobench.plugins`` of its package; a package of engines
names its own in ``echobench.engines``.
"""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import entry_points
from typing import Any

from mmengine.registry import DATASETS as _MM_DATASETS
from mmengine.registry import METRICS as _MM_METRICS
from mmengine.registry import MODELS as _MM_MODELS
from mmengine.registry import TRANSFORMS as _MM_TRANSFORMS
from mmengine.registry import Registry

from harness.errors import ConfigError
from harness.modules import scope_of


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
        """The class of a name; None where there is none.

        Raises:
            ConfigError: a plain name that classes of several users' folders have.
        """
        if "@" not in key and key not in self.module_dict:
            scoped = [item for item in self.module_dict if item.partition("@")[0] == key]
            if len(scoped) == 1:
                return self.module_dict[scoped[0]]
            if scoped:
                raise ConfigError(
                    f"The {self.name} '{key}' is registered by files of {len(scoped)} folders; name it in a config "
                    "beside its file, or give one of them another name."
                )
        return super().get(key)


MODELS = BenchRegistry("model", parent=_MM_MODELS, scope="harness")
DATASETS = BenchRegistry("dataset", parent=_MM_DATASETS, scope="harness", locations=["harness.data"])
TRANSFORMS = BenchRegistry(
    "transform",
    parent=_MM_TRANSFORMS,
    scope="harness",
    locations=["harness.data.transforms", "harness.perturbations.augmentation"],
)
METRICS = BenchRegistry("metric", parent=_MM_METRICS, scope="harness", locations=["harness.evaluation.metrics"])
PERTURBATIONS = BenchRegistry("perturbation", scope="harness", locations=["harness.perturbations"])

PUBLISHED = Registry("published", scope="harness")
"""By the model's name: functions that read a checkpoint of the published code, ``(path, **options) → (model, build)``."""
ENGINES = Registry("engine", scope="harness", locations=["harness.engines"])

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
    for point in sorted(entry_points(group=group), key=lambda item: item.name):
        try:
            importlib.import_module(point.value)
        except Exception as error:
            raise ConfigError(
                f"The plugin '{point.name}' ({point.value}) cannot be imported: {error}. Repair or uninstall it."
            ) from error
        names.append(point.name)
    return tuple(names)


def list_models() -> list[str]:
    """Names of all registered model classes, plugins included."""
    load_plugins()
    return sorted(MODELS.module_dict)


def list_datasets() -> list[str]:
    """Names of all registered dataset classes."""
    DATASETS.import_from_location()
    return sorted(DATASETS.module_dict)


def list_perturbations(*, passing: bool = False) -> list[str]:
    """Names of all registered perturbations; with ``passing`` also of those that are faults only while they pass."""
    PERTURBATIONS.import_from_location()
    return sorted(
        name for name, item in PERTURBATIONS.module_dict.items() if passing or not getattr(item, "passing", False)
    )


def list_engines() -> list[str]:
    """Names of all registered engines, plugins included."""
    load_engines()
    ENGINES.import_from_location()
    return sorted(ENGINES.module_dict)
