"""Import of published checkpoints, in Python and on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from gdkvm_golden import Recording

from gdkvm.model import GDKVM
from gdkvm.released import import_published, load_published, our_name, published_build
from harness.cli import cli
from harness.errors import DataError
from harness.modeling.published import read_state_dict
from harness.registry import MODELS


@pytest.fixture(scope="module")
def checkpoint(recordings: dict[str, Recording], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "gdkvm.pth"
    torch.save(recordings["a"].weights, path)
    return path


def test_every_published_name_has_exactly_one_place(recordings: dict[str, Recording]) -> None:
    names = [name for name in recordings["a"].weights if not name.endswith("inv_freq")]
    with torch.device("meta"):
        own = GDKVM().state_dict()
    assert len(recordings["a"].weights) == 533
    assert sorted(our_name(name) for name in names) == sorted(own)


def test_the_command_writes_a_checkpoint_that_builds_the_same_model(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours.pth"
    result = CliRunner().invoke(
        cli, ["import-gdkvm", str(checkpoint), str(out), "--variant", "released", "--structures", "2"]
    )
    assert result.exit_code == 0, result.output
    assert "35,078,282" in result.output
    content = torch.load(out, weights_only=True)
    model = MODELS.build(content["build"])
    model.load_state_dict(content["model"])
    assert type(model.rule).__name__ == "ReleasedRule"
    assert model.num_structures == 2


def test_missing_and_unexpected_names_are_named(recordings: dict[str, Recording]) -> None:
    weights = dict(recordings["a"].weights)
    weights["KPFF.layer9.weight"] = weights.pop("KPFF.layer1.weight")
    options = published_build()
    options.pop("type")
    model = GDKVM(**options)
    with pytest.raises(ValueError, match=r"1 missing \['key_fusion.reduce.weight'\], 1 unexpected.*KPFF.layer9"):
        load_published(model, weights)


def test_a_wrong_shape_is_named(recordings: dict[str, Recording]) -> None:
    weights = dict(recordings["a"].weights)
    weights["a_proj.weight"] = torch.zeros(8, 128)
    options = published_build()
    options.pop("type")
    with pytest.raises(ValueError, match=r"a_proj.weight must have shape \(8, 256\), got \(8, 128\)"):
        load_published(GDKVM(**options), weights)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model": weights, "optimizer": {"lr": 1e-4}},
        lambda weights: {"weights": weights},
        lambda weights: {"model": {"state_dict": weights}},
        lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()},
        lambda weights: {"weights": {f"_orig_mod.module.{name}": tensor for name, tensor in weights.items()}},
    ],
    ids=["bare", "state_dict", "model", "weights", "nested", "data parallel", "compiled"],
)
def test_every_usual_form_of_a_checkpoint_is_read(
    recordings: dict[str, Recording], tmp_path: Path, wrap: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    path = tmp_path / "wrapped.pth"
    torch.save(wrap(recordings["a"].weights), path)
    read = read_state_dict(path)
    assert read.keys() == recordings["a"].weights.keys()
    assert torch.equal(read["A_log"], recordings["a"].weights["A_log"])


def test_a_wrapped_checkpoint_becomes_the_model(recordings: dict[str, Recording], tmp_path: Path) -> None:
    path = tmp_path / "nested.pth"
    torch.save({"model": {f"module.{name}": tensor for name, tensor in recordings["a"].weights.items()}}, path)
    model = import_published(path)
    assert torch.equal(model.rule.decay_gate.a_log, recordings["a"].weights["A_log"])
    assert not model.training


def refusal(content: object, folder: Path) -> str:
    """What the command says of a file with this content (bytes as they are, None for no file)."""
    path = folder / "given.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    result = CliRunner().invoke(cli, ["import-gdkvm", str(path), str(folder / "out.pth")])
    assert isinstance(result.exception, DataError), result.output
    assert not (folder / "out.pth").exists()
    said = str(result.exception)
    assert said.count(str(path)) == 1
    assert "\n" not in said
    assert said.endswith(".")
    return said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        (b"", "it is no checkpoint of PyTorch, or a damaged one"),
        (b"not a checkpoint", "it is no checkpoint of PyTorch, or a damaged one"),
        (Path("/"), r"it needs the Python class pathlib\.\w*Path; save the state dict alone"),
        ({"epoch": 3, "model": {"lr": 0.1}}, "holds no state dict"),
        (torch.zeros(3), "holds no state dict"),
        ([torch.zeros(3)], "holds no state dict"),
        ({0: torch.zeros(3)}, "this is not a state dict of the published GDKVM"),
    ],
    ids=["missing", "empty", "text", "pickled object", "no tensors", "tensor", "list", "numbered"],
)
def test_a_file_that_is_no_checkpoint_ends_in_one_sentence(tmp_path: Path, content: object, sentence: str) -> None:
    assert re.search(sentence, refusal(content, tmp_path))


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["import-gdkvm", str(tmp_path), str(tmp_path / "out.pth")])
    assert isinstance(result.exception, DataError)
    assert "Is a directory" in str(result.exception)


@pytest.mark.parametrize("broken", ["missing", "unexpected", "shape"])
def test_names_and_shapes_that_do_not_fit_end_in_one_sentence(
    recordings: dict[str, Recording], tmp_path: Path, broken: str
) -> None:
    weights = dict(recordings["a"].weights)
    if broken == "missing":
        del weights["dt_bias"]
    elif broken == "unexpected":
        weights["stranger"] = torch.zeros(1)
    else:
        weights["A_log"] = torch.zeros(4)
    wanted = {
        "missing": "1 missing ['rule.decay_gate.dt_bias'], 0 unexpected []",
        "unexpected": "0 missing [], 1 unexpected ['stranger']",
        "shape": "the published tensor A_log must have shape (8,), got (4,)",
    }
    assert wanted[broken] in refusal({"model": weights}, tmp_path)


def test_unknown_variants_are_refused() -> None:
    with pytest.raises(ValueError, match="variant must be one of released, corrected, got 'fixed'"):
        published_build("fixed")
