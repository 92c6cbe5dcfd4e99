"""Studies are checked completely before anything is trained."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import resolved_study

from gdkvm.rule_registry import build_rule
from harness import config
from harness.errors import BenchError, ConfigError
from harness.experiments.study.cells import study_cells
from harness.experiments.study.job import check_models
from harness.experiments.study.reading import load_study, study_from_dict
from harness.experiments.study.storage import open_storage, open_study, storage_address
from harness.experiments.study.variant import arguments, vary
from harness.statistics.matching import MOOT

AB = {
    "a": {"levels": {"on": {}, "off": {"recipe.batch_size": 1}}},
    "b": {"levels": {"1": {}, "2": {"recipe.batch_size": 2}, "3": {"recipe.batch_size": 3}}},
}


@pytest.mark.parametrize("name", config.list_configs("studies"))
def test_every_study_of_the_tree_can_be_planned(name, tmp_path):
    resolved = resolved_study(tmp_path, name)
    specs = [resolved.spec(cell.overrides, 0) for cell in resolved.cells]
    assert len({spec.identity for spec in specs}) == len(specs)
    if resolved.definition.kind == "tpe":
        known = arguments("GDKVM")
        for one in resolved.definition.space:
            root, _, argument = one.sets.rpartition(".")
            assert root != "models.gdkvm" or argument in known


def test_the_full_model_is_the_plain_models_run(tmp_path):
    resolved = resolved_study(tmp_path)
    assert resolved.spec(resolved.cells[0].overrides, 0) == resolved.plan.specs[0]
    assert vary(resolved.plan.specs[0], {"models.gdkvm.lkva": True}) == resolved.plan.specs[0]
    assert vary(resolved.plan.specs[0], {"models.gdkvm.lkva": False}) != resolved.plan.specs[0]


def test_a_level_may_be_another_model(tmp_path):
    base = resolved_study(tmp_path).plan.specs[0]
    other = vary(base, {"models.unet.widths": (4, 8), "model": "unet"})
    assert (other.model["name"], other.model["label"], other.model["size"]) == ("unet", "U-Net", "small")
    assert other.model["build"] == {"type": "UNet", "widths": (4, 8), "num_structures": 1}
    assert (other.recipe, other.data, other.seed) == (base.recipe, base.data, base.seed)
    with pytest.raises(ConfigError, match=r"Unknown model 'unte'.*Did you mean 'unet'"):
        vary(base, {"model": "unte"})


def test_modules_has_five_cells_and_a_model_without_memory_has_no_other_part():
    cells = study_cells(load_study("modules"))
    assert len(cells) == 5
    assert [cell.levels for cell in cells if cell.levels["lkva"] == "off"] == [
        {"lkva": "off", "gdr": MOOT, "kpff": MOOT}
    ]


@pytest.mark.parametrize(("kind", "count"), [("grid", 6), ("single", 4)])
def test_the_number_of_cells(kind, count):
    study = study_from_dict("s", {"kind": kind, "factors": AB})
    cells = study_cells(study)
    assert len(cells) == count
    assert study.variant_name(cells[0].levels) == "full"


def test_excluded_cells_are_left_out():
    study = study_from_dict("s", {"factors": AB, "exclude": [{"a": "off", "b": "3"}]})
    assert "a=off,b=3" not in [cell.key for cell in study_cells(study)]
    assert len(study_cells(study)) == 5


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"kind": "gird", "factors": AB}, "grid"),
        ({"factor": AB}, "factors"),
        ({"factors": {}}, "needs `factors`"),
        ({"kind": "tpe"}, "needs a `space`"),
        ({"factors": {"a": {"levels": {"on": {}}}}}, "two levels"),
        ({"factors": AB, "exclude": [{"c": "on"}]}, "Unknown factor 'c'"),
        ({"factors": AB, "exclude": [{"a": "of"}]}, "off"),
        ({"factors": AB, "seeds": [1, 1]}, "once"),
        ({"kind": "tpe", "space": {"x": {"type": "float", "low": 0, "high": 1}}}, "what it sets"),
        (
            {"kind": "tpe", "space": {"x": {"type": "float", "sets": "recipe.x", "low": 2, "high": 1}}},
            "float dimension",
        ),
        ({"kind": "tpe", "space": {"x": {"type": "int", "sets": "recipe.x", "lo": 2}}}, "int dimension"),
        ({"factors": [1]}, "`factors` of the study 's' must be a dict"),
        ({"factors": {"a": {"levels": ["on", "off"]}}}, "levels=dict"),
        ({"factors": {"a": {"lable": "A", "levels": AB["a"]["levels"]}}}, "Did you mean 'label'"),
        ({"factors": {"a": {"levels": {"on": {}, "off": False}}}}, "level 'off'"),
        ({"factors": AB, "seeds": ["one"]}, "whole numbers"),
        ({"factors": AB, "seeds": 3}, "`seeds` of the study 's' must be a list"),
        ({"factors": AB, "moot": [{"if": {"a": "off"}}]}, "Unknown key 'if'"),
        ({"factors": AB, "suite": {"views": ["4CH"]}}, "Unknown key 'views'"),
        ({"factors": AB, "pruner": {"name": "MedianPruner"}}, "type="),
        ({"factors": {k: {**v, "label": "Same"} for k, v in AB.items()}}, "twice"),
    ],
)
def test_what_is_wrong_with_a_study_is_one_sentence(raw, words):
    with pytest.raises(ConfigError, match=words):
        study_from_dict("s", raw)


def test_a_config_without_a_study_is_refused(tmp_path):
    (tmp_path / "empty.py").write_text("recipe = dict()\n")
    with pytest.raises(ConfigError, match="defines no `study"):
        load_study(str(tmp_path / "empty.py"))


def test_the_search_over_the_gates_initialisation_reaches_the_gates():
    def largest(**arguments):
        torch.manual_seed(0)
        return build_rule("gated", value_width=64, heads=8, **arguments).decay_gate.a_log.exp().max().item()

    assert largest(decay_init=1.6) == pytest.approx(largest() / 10, rel=1e-4)
    assert "models.gdkvm.decay_init" in {one.sets for one in load_study("tune").space}
    with pytest.raises(ValueError, match="positive"):
        largest(decay_init=0.0)


def test_a_variant_that_its_model_refuses_is_told_before_anything_is_trained(tmp_path):
    resolved = resolved_study(tmp_path, "update_rule")
    resolved.cells[1].overrides["models.gdkvm.update_rule"] = "gatd"
    with pytest.raises(ConfigError, match=r"variant 'no alpha'.*Did you mean 'gated'"):
        check_models(resolved)


def test_the_plain_sum_is_one_run_in_both_studies(tmp_path):
    one, other = resolved_study(tmp_path, "modules"), resolved_study(tmp_path, "update_rule")
    shared = {one.run(cell, 0).name for cell in one.cells} & {other.run(cell, 0).name for cell in other.cells}
    assert len(shared) == 2


def test_a_study_that_excludes_its_reference_is_refused():
    with pytest.raises(ConfigError, match="own reference"):
        study_cells(study_from_dict("s", {"factors": AB, "exclude": [{"a": "on"}]}))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"models.gdkvm.kpf": False}, "kpff"),
        ({"models.unet.widths": (1,)}, "gdkvm"),
        ({"recipe.image_size": 64}, "prepared"),
        ({"recipe.iteration": 1}, "recipe.iterations"),
        ({"protocol.first_frame": "given"}, "first-frame protocol"),
        ({"data.views": ["2CH"]}, "cannot vary"),
    ],
)
def test_what_cannot_be_varied_is_one_sentence(tmp_path, overrides, words):
    with pytest.raises(ConfigError, match=words):
        vary(resolved_study(tmp_path).plan.specs[0], overrides)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "sqlite:///studies/x.db"),
        ("a/b.db", "sqlite:///a/b.db"),
        ("a/b.journal", "journal:a/b.journal"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_storages_by_name(given, url):
    assert storage_address(given, Path("studies/x.db")).url == url


def test_an_unknown_storage_is_refused():
    with pytest.raises(ConfigError, match="postgresql"):
        storage_address("mysql://x/y", Path("x.db"))


def test_a_missing_driver_is_told_with_its_remedy(monkeypatch):
    for name in ("psycopg2", "psycopg"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchError, match="pip install psycopg2-binary"):
        open_storage(storage_address("postgresql://me@127.0.0.1:1/db", Path("x.db")))


def test_a_server_that_does_not_answer_is_told_without_its_password():
    pytest.importorskip("psycopg2")
    with pytest.raises(BenchError, match="cannot be used: connection") as told:
        open_storage(storage_address("postgresql://me:secret@127.0.0.1:1/db", Path("x.db")))
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(("suffix", "words"), [("db", "not a database"), ("journal", "no journal of Optuna")])
def test_a_file_that_is_no_storage_is_told(tmp_path, suffix, words):
    (tmp_path / f"x.{suffix}").write_text("neither of them\n" * 100)
    where = storage_address(str(tmp_path / f"x.{suffix}"), Path("y.db"))
    with pytest.raises(BenchError, match=words):
        open_study(where, open_storage(where), "x")
