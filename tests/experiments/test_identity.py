"""A run's identity covers the code that made it: edited code is another run, and nothing old is shown for it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import torch
from click.testing import CliRunner
from rich.console import Console

from harness.cli.runs import command as runs_command
from harness.experiments import SuitePlan, plan_suite
from harness.experiments.bench import SuiteOutcome, run_suite
from harness.reporting.manifest import read_suite, write_manifest
from harness.results.suite import suite_results
from harness.store.runs import RunSpec, RunStore

NET = '''
"""A net."""
import torch
from torch import nn

from harness.modeling import PerFrameSegmenter
from harness.registry import MODELS


@MODELS.register_module()
class MyNet(PerFrameSegmenter):
    """One convolution."""

    stride = 1

    def __init__(self, *, num_structures: int = 1, in_channels: int = 1) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        self.head = nn.Conv2d(in_channels, num_structures + 1, {kernel}, padding={kernel} // 2)

    def segment(self, images):
        return self.head(images - 0.5)
'''
CONFIG = 'custom_imports = dict(imports=["mynet"])\nlabel = "MyNet"\nsizes = dict(small=dict(type="MyNet"))\n'


def experiment(folder: Path, kernel: int = 1, extra: str = "") -> str:
    """A folder with a model and its config; rewritten files get a new time of change, however quickly it is done."""
    folder.mkdir(exist_ok=True)
    net = folder / "mynet.py"
    before = net.stat().st_mtime_ns if net.is_file() else 10**18
    net.write_text(NET.format(kernel=kernel) + extra)
    os.utime(net, ns=(before + 10**9, before + 10**9))
    (folder / "net_config.py").write_text(CONFIG)
    return str(folder / "net_config.py")


def plan_of(tiny, *models: str, **chosen) -> SuitePlan:
    overrides = [item for item in tiny().overrides if not item.startswith("models")]
    options = dataclasses.replace(tiny(models=models, **chosen), overrides=tuple(overrides))
    plan = plan_suite(options, progress=False)
    plan.profile = None  # type: ignore[assignment]
    return plan


def bench(tiny, store: Path, *models: str, **options) -> SuiteOutcome:
    return run_suite(plan_of(tiny, *models), store, console=Console(quiet=True), **options)


def test_an_edited_model_is_trained_again_and_a_comment_is_no_edit(tiny, tmp_path):
    store, folder = tmp_path / "store", tmp_path / "exp"
    (first,) = bench(tiny, store, experiment(folder)).runs
    commented = bench(tiny, store, experiment(folder, extra="# a thought\n"))
    assert (commented.executed, commented.runs[0].name) == (0, first.name)
    edited = bench(tiny, store, experiment(folder, kernel=3))
    assert edited.executed == 1
    (second,) = edited.runs
    assert second.name != first.name
    assert not second.rows().value.equals(first.rows().value)
    assert [run.status for run in RunStore(store).all()] == ["finished", "finished"]
    assert {run.name: run.other_code for run in RunStore(store).all()} == {first.name: True, second.name: False}
    listed = CliRunner().invoke(runs_command, ["--results-dir", str(store)], env={"COLUMNS": "200"})
    assert listed.output.count("other code") == 1


def test_two_files_of_one_name_in_two_folders_are_two_models_with_two_results(tiny, tmp_path):
    configs = experiment(tmp_path / "exp1", kernel=1), experiment(tmp_path / "exp2", kernel=3)
    together = bench(tiny, tmp_path / "together", *configs)
    assert together.failed == []
    one, other = together.runs
    assert not one.rows().value.equals(other.rows().value)
    weights = [torch.load(run.path / "checkpoints/best.pth", weights_only=True)["model"] for run in (one, other)]
    assert [tuple(item["head.weight"].shape[-2:]) for item in weights] == [(1, 1), (3, 3)]
    alone = [bench(tiny, tmp_path / "alone", config).runs[0] for config in configs]
    assert [run.name for run in alone] == [one.name, other.name]
    assert [run.rows().value.tolist() for run in alone] == [run.rows().value.tolist() for run in (one, other)]
    results = suite_results(together.runs, name="both")
    assert [arm.label for arm in results.arms] == ["MyNet (exp1)", "MyNet (exp2)"]


def test_the_folder_of_a_file_is_no_part_of_the_identity(tiny, tmp_path):
    specs = [plan_of(tiny, experiment(tmp_path / name)).specs[0] for name in ("exp3", "exp4")]
    assert specs[0].model["build"] != specs[1].model["build"]
    assert specs[0].identity == specs[1].identity


def test_finished_runs_of_other_code_are_accepted_with_a_mark_that_stays(tiny, tmp_path):
    store, folder = tmp_path / "store", tmp_path / "exp"
    (old,) = bench(tiny, store, experiment(folder)).runs
    outcome = bench(tiny, store, experiment(folder, kernel=3), accept_code=True)
    assert (outcome.executed, [run.name for run in outcome.runs]) == (0, [old.name])
    results = suite_results(outcome.runs, name="kept")
    assert results.mark == "other code: MyNet, seed 0, was made by code that has changed"
    write_manifest(results, tmp_path / "reports" / "kept")
    assert read_suite("kept", tmp_path / "reports", store).mark == results.mark
    assert suite_results([RunStore(store).get(old.name)], name="kept").mark is None


def test_training_again_is_the_next_generation_and_the_finished_run_never_changes(tiny, tmp_path):
    store, path = tmp_path / "store", experiment(tmp_path / "exp")
    (first,) = bench(tiny, store, path).runs
    before = (first.path / "run.json").read_bytes()
    (second,) = bench(tiny, store, path, retrain=True).runs
    assert second.spec.generation == 1
    assert (first.path / "run.json").read_bytes() == before
    assert second.rows().value.tolist() == first.rows().value.tolist()  # the same seed
    plain = bench(tiny, store, path)
    assert (plain.executed, plain.runs[0].name) == (0, second.name)


def test_device_class_and_precision_belong_to_the_identity_and_the_words_for_them_do_not(tiny):
    specs = [plan_suite(tiny(f"recipe.{item}"), progress=False).specs[0] for item in ("device='cpu'", "device='auto'")]
    if not torch.cuda.is_available():
        assert specs[0].identity == specs[1].identity
    assert (specs[0].device, specs[0].precision) == ("cpu", "fp32")
    changed = [dataclasses.replace(specs[0], device="cuda"), dataclasses.replace(specs[0], precision="bf16")]
    assert len({spec.identity for spec in (specs[0], *changed)}) == 3


def test_a_spec_of_an_older_store_keeps_its_name():
    """The name of a committed run, from the spec that stands in its record."""
    for run in RunStore(Path(__file__).parents[2] / "results" / "reference").all():
        assert run.spec.folder == run.name
        assert not run.other_code


def test_an_older_spec_knows_nothing_of_code():
    spec = RunSpec(model={"name": "m", "size": "s"}, data={"dataset": "d"}, recipe={}, seed=0, protocol={})
    assert spec.identity == dataclasses.replace(spec, device="cpu").identity
    assert dataclasses.replace(spec, code="0123456789").identity != spec.identity


def test_a_dataset_given_by_its_config_s_path_is_called_by_its_name_and_nothing_is_written_beside_it(tiny, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    source = Path(__file__).parents[2] / "harness" / "configs" / "datasets" / "phantom.py"
    (folder / "my_data.py").write_text(source.read_text())
    plan = plan_suite(tiny(dataset=str(folder / "my_data.py")), progress=False)
    assert plan.name.startswith("my_data-")
    plan.profile = None  # type: ignore[assignment]
    (run,) = run_suite(plan, tmp_path / "store", console=Console(quiet=True)).runs
    assert run.name.startswith("my_data/unet-small-s0-")
    assert run.path.is_relative_to(tmp_path / "store")
    assert [item.name for item in folder.iterdir()] == ["my_data.py"]
