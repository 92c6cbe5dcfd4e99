"""Users' files are loaded by path: two folders with the same names are two different things."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness import config
from harness.errors import ConfigError
from harness.modules import import_modules
from harness.registry import MODELS

NET = """
from harness.registry import MODELS

from {helper} import WIDTH


@MODELS.register_module()
class MyNet:
    def width(self):
        import {helper} as again
        return WIDTH, again.WIDTH
"""
CONFIG = """
custom_imports = dict(imports=["mynet"])
label = "MyNet"
sizes = dict(small=dict(type="MyNet"))
"""


def experiment(folder: Path, width: int, helper: str = "helper") -> str:
    folder.mkdir()
    (folder / f"{helper}.py").write_text(f"WIDTH = {width}\n")
    (folder / "mynet.py").write_text(NET.format(helper=helper))
    (folder / "net_config.py").write_text(CONFIG)
    return str(folder / "net_config.py")


def test_two_folders_with_the_same_names_are_two_classes_each_with_its_own_neighbours(tmp_path):
    builds = [
        config.load("models", experiment(tmp_path / name, width)).sizes["small"]
        for name, width in (("exp1", 1), ("exp2", 2))
    ]
    assert builds[0]["type"] != builds[1]["type"]
    assert [MODELS.build(dict(build)).width() for build in builds] == [(1, 1), (2, 2)]
    assert "mynet" not in sys.modules
    assert str(tmp_path / "exp1") not in sys.path


def test_a_plain_name_that_two_folders_register_is_refused(tmp_path):
    for name in ("exp3", "exp4"):
        path = experiment(tmp_path / name, 1)
        text = Path(tmp_path / name / "mynet.py").read_text().replace("MyNet", "TwiceNet")
        Path(tmp_path / name / "mynet.py").write_text(text)
        config.load("models", path)
    with pytest.raises(ConfigError, match="'TwiceNet' is registered by files of 2 folders"):
        MODELS.get("TwiceNet")


def test_what_is_imported_again_by_its_path_is_the_same_class(tmp_path):
    cfg = config.load("models", experiment(tmp_path / "exp5", 5))
    (path,) = cfg.custom_imports["imports"]
    assert Path(path) == (tmp_path / "exp5" / "mynet.py").resolve()
    before = MODELS.get(cfg.sizes["small"]["type"])
    assert import_modules([path]) == (path,)
    assert MODELS.get(cfg.sizes["small"]["type"]) is before


def test_a_file_that_is_gone_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.py does not exist any more"):
        import_modules([str(tmp_path / "gone.py")])
