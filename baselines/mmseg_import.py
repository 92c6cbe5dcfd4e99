"""Importing mmsegmentation on mmcv-lite, which ships no compiled operators.

mmsegmentation imports ``mmcv.ops`` for a few heads, and ``mmcv.ops`` stops at once without its extension
``mmcv._ext``. While it is imported, a placeholder stands in for the extension; afterwards it is taken away
again, because its mere presence makes mmengine believe that the operators exist.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from harness.errors import ConfigError

EXTENSION = "mmcv._ext"
INSTALL = "Install it with: pip install -c constraints.txt -e '.[mmseg]'."


@functools.cache
def import_mmseg() -> types.ModuleType:
    """Import mmsegmentation once, register its models (scope ``mmseg``), return the package.

    Raises:
        ConfigError: the optional dependency is missing or does not fit.
    """
    for package in ("mmseg", "mmcv"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"The mmseg models need the extra 'mmseg', but {package} is not installed. {INSTALL}")
    try:
        # Once imported, mmcv.ops stays in sys.modules: the placeholder is needed for this moment only.
        with _placeholder_extension():
            importlib.import_module("mmcv.ops")
        importlib.import_module("mmseg.models")
        return importlib.import_module("mmseg")
    except (ImportError, AssertionError) as error:
        raise ConfigError(f"mmsegmentation cannot be imported: {error}. {INSTALL}") from error


@contextlib.contextmanager
def _placeholder_extension() -> Iterator[None]:
    # The full mmcv is installed: nothing to stand in for.
    if importlib.util.find_spec(EXTENSION) is not None:
        yield
        return
    placeholder = types.ModuleType(EXTENSION)
    placeholder.__getattr__ = _missing_operator  # type: ignore[method-assign]
    sys.modules[EXTENSION] = placeholder
    try:
        yield
    finally:
        del sys.modules[EXTENSION]


def _missing_operator(name: str) -> Callable[..., NoReturn]:
    # Python asks modules for __path__, __spec__ and the like; an answer would confuse its import system.
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*_: Any, **__: Any) -> NoReturn:
        raise ConfigError(
            f"This mmseg model calls the compiled operator '{name}', which mmcv-lite does not have; "
            "choose another model or install the full mmcv 2.1.0."
        )

    return missing
