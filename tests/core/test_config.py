"""Configs are data; overrides refuse what does not exist."""

from __future__ import annotations

import pytest

from harness import config
from harness.errors import ConfigError


@pytest.mark.parametrize("kind", ["datasets", "models", "recipes", "suites"])
def test_every_config_of_the_tree_loads(kind):
    names = config.list_configs(kind)
    assert names
    for name in names:
        assert len(config.load(kind, name)) > 0


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"Unknown suite 'smal'.* Did you mean 'small'\?"):
        config.load("suites", "smal")


def test_a_missing_config_file_is_named():
    with pytest.raises(ConfigError, match=r"config nowhere/my_model\.py does not exist"):
        config.load("models", "nowhere/my_model.py")


def test_a_config_with_a_syntax_error_is_named(tmp_path):
    (tmp_path / "broken.py").write_text("sizes = dict(")
    with pytest.raises(ConfigError, match=r"broken\.py cannot be read"):
        config.load("models", str(tmp_path / "broken.py"))


def test_overrides_are_python_literals_or_text():
    parsed = config.parse_overrides(["a.b=1e-3", "c=bf16", "d=[1, 2]", "e=None", "f=a=b"])
    assert parsed == {"a.b": 1e-3, "c": "bf16", "d": [1, 2], "e": None, "f": "a=b"}


@pytest.mark.parametrize("item", ["recipe.lr", "=3"])
def test_an_override_without_key_or_value_is_refused(item):
    with pytest.raises(ConfigError, match="not of the form key=value"):
        config.parse_overrides([item])


def test_an_override_changes_the_value_in_place():
    tree = {"recipe": {"lr": 1.0, "loss": {"ce": 1}}}
    config.override(tree, {"recipe.lr": 2.0, "recipe.loss.ce": 0})
    assert tree == {"recipe": {"lr": 2.0, "loss": {"ce": 0}}}


@pytest.mark.parametrize("key", ["recipe.iteration", "recip.iterations", "recipe.iterations.deeper"])
def test_an_override_of_something_unknown_is_answered_with_the_nearest(key):
    tree = {"recipe": {"iterations": 10, "precision": "bf16"}}
    with pytest.raises(ConfigError, match=r"Unknown option .*Did you mean 'recipe\.iterations'"):
        config.override(tree, {key: 3})
    assert tree == {"recipe": {"iterations": 10, "precision": "bf16"}}
