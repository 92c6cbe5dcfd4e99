"""Import of published checkpoints, in Python and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from gdkvm_golden import Recording

from gdkvm.model import GDKVM
from gdkvm.released import import_published, load_published, our_name, published_build
from harness.cli import cli
from harness.errors import DataError
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


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_nested_and_data_parallel_checkpoints_are_read(
    recordings: dict[str, Recording], tmp_path: Path, key: str
) -> None:
    path = tmp_path / "nested.pth"
    torch.save({key: {f"module.{name}": tensor for name, tensor in recordings["a"].weights.items()}}, path)
    model = import_published(path)
    assert torch.equal(model.rule.decay_gate.a_log, recordings["a"].weights["A_log"])


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_file_that_is_no_checkpoint_ends_in_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.pth"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(cli, ["import-gdkvm", str(path), str(tmp_path / "out.pth")])
    assert isinstance(result.exception, DataError)
    assert str(path) in str(result.exception)
    assert not (tmp_path / "out.pth").exists()


def test_unknown_variants_are_refused() -> None:
    with pytest.raises(ValueError, match="variant must be one of released, corrected, got 'fixed'"):
        published_build("fixed")
