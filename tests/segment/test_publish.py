"""A published run is one file: the same masks without a results folder, a card with its scores, nothing that runs or tells who made it."""

from __future__ import annotations

import getpass
import importlib.util
import json
import socket
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_clips import ellipse_clip
from safetensors import safe_open

from harness import modules
from harness.cli import main
from harness.data.video import write_avi
from harness.errors import BenchError, ConfigError, DataError
from harness.registry import MODELS, load_plugins
from harness.segment import find_trained, publish, trained_from_file
from harness.segment.weights import read_card, read_weights, write_weights
from harness.statistics.bootstrap import mean_interval
from harness.store.runs import ROW_COLUMNS, RunSpec, RunStore

ROOT = Path(__file__).resolve().parents[2]
BUILD = {"type": "UNet", "widths": [4, 8], "num_structures": 1}
DICE = [0.95, 0.9, 0.92, 0.91, 0.93, 0.94, 0.8, 0.7, 0.96, 0.9, 0.92, 0.94]


def finished(root: Path, dataset: str = "camus", **model) -> str:
    """A finished run of a tiny U-Net, its rows and weights made by hand: nothing is trained."""
    load_plugins()
    run = RunStore(root).open(
        RunSpec(
            model={"name": "unet", "size": "small", "label": "U-Net", "build": BUILD, "custom_imports": [], **model},
            data={
                "dataset": dataset,
                "views": ["4CH"],
                "clip": "ed_es",
                "fingerprint": "f00d",
                "image_size": 32,
                "mark": "partial: 4CH",
            },
            recipe={"image_size": 32, "weights": f"{Path.home()}/secret/start.pth"},
            seed=3,
            protocol={"first_frame": "auto", "structures": "lv"},
        )
    )
    (run.path / "checkpoints").mkdir()
    torch.manual_seed(0)
    torch.save({"model": MODELS.build(BUILD).state_dict()}, run.path / "checkpoints" / "best.pth")
    rows = pd.DataFrame(
        [
            dict(patient=f"patient{index:04}", frame=0, phase="ED", structure="lv", metric=metric, value=value)
            for index, dice in enumerate(DICE)
            for metric, value in (("dice", dice), ("hd95_mm", 10 * (1 - dice)), ("empty", 0.0))
        ]
    ).assign(run=run.name, model="unet", seed=3, dataset=dataset, split="test", view="4CH")
    run.write_rows(rows[list(ROW_COLUMNS)])
    run.finish(best_iteration=1)
    return run.name


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(results folder, weights file, card) of that run."""
    root = tmp_path_factory.mktemp("published")
    name = finished(root / "runs")
    path, card = publish(name, root / "u.safetensors", results_dir=root / "runs", data_dir=root / "data")
    return root / "runs", path, card


def test_the_file_segments_as_the_run_does_and_needs_no_results_folder(published, tmp_path):
    runs, path, _ = published
    write_avi(tmp_path / "loop.avi", ellipse_clip(), 20.0)
    masks = []
    for options in (("--run", "unet", "--results-dir", runs), ("--weights", path, "--results-dir", tmp_path / "none")):
        out = tmp_path / str(len(masks))
        with pytest.raises(SystemExit) as end:
            main(["segment", *map(str, (tmp_path / "loop.avi", *options, "--out", out, "--device", "cpu"))])
        assert not end.value.code
        masks.append((out / "masks.nii.gz").read_bytes())
    assert masks[0] == masks[1]
    assert trained_from_file(path).name == find_trained("unet", runs).name


def test_the_card_states_scores_with_intervals_failures_data_and_terms(published):
    card = read_card(published[1])
    expected = mean_interval(100 * np.array(DICE))
    (dice,) = [score for score in card.scores if score.measure == "Dice"]
    assert (dice.mean, dice.low, dice.high) == pytest.approx((expected.point, expected.low, expected.high), abs=1e-3)
    assert dice.patients == 12
    assert "2 of 12 test patients have a Dice of the lv below 85 %" in card.known_failures[0]
    assert "the lowest is 70.0 %" in card.known_failures[0]
    assert "non-commercial" in card.training.terms
    assert (card.training.fingerprint, card.training.mark) == ("f00d", "partial: 4CH")
    assert not card.demonstration
    assert card.range is None


def test_the_file_names_no_folder_user_machine_or_patient_and_is_the_same_each_time(published, tmp_path):
    runs, path, card = published
    content = path.read_bytes()
    for word in (str(Path.home()), socket.gethostname(), f"/{getpass.getuser()}/", str(runs.parent), "patient0006"):
        assert word.encode() not in content
    assert card.training.recipe["weights"] == "start.pth"
    again, _ = publish("unet", tmp_path / "u.safetensors", results_dir=runs, data_dir=tmp_path)
    assert again.read_bytes() == content


def test_a_release_holds_weights_of_drawn_data_alone(published, tmp_path):
    spec = importlib.util.spec_from_file_location("demonstration", ROOT / "tools" / "demonstration.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    with pytest.raises(ConfigError, match="trained on camus and not on drawn phantoms"):
        tool.demonstration("unet", tmp_path / "a.safetensors", published[0], tmp_path)
    assert not list(tmp_path.iterdir())
    name = finished(tmp_path / "runs", dataset="phantom")
    made = tool.demonstration(name, tmp_path / "b.safetensors", tmp_path / "runs", tmp_path)
    assert read_card(made).demonstration


def test_any_program_reads_the_tensors_and_the_card(published):
    with safe_open(published[1], framework="np") as file:
        header = json.loads(file.metadata()["echobench"])
        shapes = {name: file.get_tensor(name).shape for name in file.keys()}  # noqa: SIM118
    assert header["card"]["model"]["name"] == "unet"
    assert shapes == {name: tuple(tensor.shape) for name, tensor in MODELS.build(BUILD).state_dict().items()}


def test_a_changed_byte_anywhere_is_told_before_a_model_is_built(published, tmp_path):
    content = published[1].read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    places = {"tensors": len(content) - 3, "card": content.index(b"below 85 %") + 6}
    for what, place in places.items():
        assert (place < 8 + length) == (what == "card")
        broken = bytearray(content)
        broken[place] ^= 1
        (tmp_path / "b.safetensors").write_bytes(broken)
        with pytest.raises(DataError, match=f"damaged .checksum of its {what}"):
            read_weights(tmp_path / "b.safetensors")
    for cut in (content[:5], content[:-4], b"no file of tensors" * 9):
        (tmp_path / "b.safetensors").write_bytes(cut)
        with pytest.raises(DataError, match="damaged or no weights file"):
            read_weights(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"build": {"type": "subprocess.Popen", "args": ["touch", "made-by-data"]}}, ConfigError, "no registered name"),
        ({"build": {**BUILD, "widths": [4, 8, 10**7]}}, DataError, "other tensors than the model"),
        ({"build": {**BUILD, "widths": [4, 16]}}, DataError, "other tensors than the model"),
        ({"build": {**BUILD, "colour": 1}}, DataError, "cannot be built"),
        ({"custom_imports": ("sprung",)}, ConfigError, "--trust"),
    ],
)
def test_nothing_that_a_file_names_is_run_or_takes_memory(published, tmp_path, monkeypatch, change, error, words):
    monkeypatch.setattr(modules, "_named", set())
    monkeypatch.setattr(modules, "_trusting", False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sprung.py").write_text("open('made-by-data', 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    card, model = read_weights(published[1])
    hostile = card.model_copy(update={"model": card.model.model_copy(update=change)})
    path = write_weights(tmp_path / "h.safetensors", hostile, model)
    with pytest.raises(error, match=words):
        read_weights(path)
    assert not (tmp_path / "made-by-data").exists()


def test_a_file_of_the_users_own_is_not_published(tmp_path):
    (tmp_path / "net.py").write_text("")
    name = finished(tmp_path / "runs", custom_imports=[str(tmp_path / "net.py")])
    with pytest.raises(BenchError, match=r"net\.py"):
        publish(name, None, results_dir=tmp_path / "runs", data_dir=tmp_path)


def test_the_command_prints_the_card_and_refuses_to_overwrite(published, tmp_path, capsys):
    runs, path, _ = published
    for arguments, code, words in (
        (("--card", path), 0, "| Dice lv [%] | 89.8 |"),
        (("unet", "--out", path, "--results-dir", runs), 2, "exists"),
        (("unet", "--out", tmp_path / "a.bin", "--results-dir", runs), 2, "ends in .safetensors"),
        ((), 2, "Name a finished run"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["publish", *map(str, arguments)])
        assert int(end.value.code or 0) == code
        shown = capsys.readouterr()
        assert words in shown.out + shown.err
