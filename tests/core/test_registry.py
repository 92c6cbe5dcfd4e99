"""Registries are children of mmengine's, and plugins fill them."""

from __future__ import annotations

import mmengine.registry
import pytest

from harness import registry
from harness.errors import ConfigError


def test_registries_are_children_of_mmengines():
    assert registry.MODELS.parent is mmengine.registry.MODELS
    assert registry.DATASETS.parent is mmengine.registry.DATASETS
    assert registry.MODELS.scope == "harness"


def test_the_five_models_arrive_through_plugins():
    registry.load_plugins()
    assert {"GDKVM", "UNet", "TransUNet", "STM", "XMem"} <= set(registry.MODELS.module_dict)


def test_a_broken_plugin_is_named(monkeypatch):
    class Broken:
        name, value = "mine", "package_that_does_not_exist"

    monkeypatch.setattr(registry, "entry_points", lambda group: [Broken()])
    registry.load_plugins.cache_clear()
    with pytest.raises(ConfigError, match=r"plugin 'mine' \(package_that_does_not_exist\) cannot be imported"):
        registry.load_plugins()
    monkeypatch.undo()
    registry.load_plugins.cache_clear()
