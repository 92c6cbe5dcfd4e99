"""What the pages add in a file can come from an installed package: its entry points give every verb the plain names."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from pages import Page

from harness import registry
from harness.engines import make_engine
from harness.errors import ConfigError
from harness.evaluation.metrics import metric_functions
from harness.perturbations.choice import chosen_perturbations
from harness.registry import DATASETS, ENGINES, METRICS, MODELS, PERTURBATIONS

PAGES = ("add-a-metric", "add-a-perturbation", "add-a-data-set", "add-a-model", "add-an-engine")
ENTRY_POINTS = """[echobench.plugins]
stranger = stranger.all

[echobench.engines]
stranger = stranger.channels_last
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The files of the pages as a package ``stranger`` with entry points, as ``pip install`` leaves them; forgotten afterwards."""
    site = tmp_path_factory.mktemp("site-packages")
    package, facts = site / "stranger", site / "stranger-1.0.dist-info"
    package.mkdir()
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS)
    for page in PAGES:
        Page.read(page).write(package)
    (package / "__init__.py").write_text("")
    (package / "all.py").write_text("from stranger import archive, area, smallnet, stripes\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        for kind in (DATASETS, ENGINES, METRICS, MODELS, PERTURBATIONS):
            patch.setattr(kind, "_module_dict", dict(kind.module_dict))
        for loaded in (registry.load_plugins, registry.load_engines):
            loaded.cache_clear()
        yield
        for loaded in (registry.load_plugins, registry.load_engines):
            loaded.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == "stranger"]:
            del sys.modules[name]


def test_a_registered_name_that_nobody_has_imported_yet_is_found(installed: None) -> None:
    assert MODELS.build(dict(type="SmallNet", width=4)).stride == 4
    assert PERTURBATIONS.get("stripes").unit == "depth of the stripes"
    assert DATASETS.get("Archive").title == "Archive"


def test_verbs_take_the_plain_names(installed: None) -> None:
    registry.load_plugins()
    assert metric_functions(("area_error",))[0].__name__ == "area_error"
    assert chosen_perturbations(["speckle", "stripes"]) == ["speckle", "stripes"]
    assert "stripes" not in chosen_perturbations(None), "all means the package's own"
    assert make_engine("channels_last").name == "channels_last"
    with pytest.raises(ConfigError, match="stripes"):
        chosen_perturbations(["strips"])
