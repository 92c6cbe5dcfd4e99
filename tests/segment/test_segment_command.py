"""``echobench segment``: from a run's name and a clip to files, or one plain sentence."""

from __future__ import annotations

import json

import pytest
from drawn_clips import DarkIsCavity

from harness.cli import main
from harness.data.video import write_avi
from harness.engines import Eager
from harness.registry import ENGINES
from harness.segment import find_trained


@pytest.fixture
def video(tmp_path, clip):
    write_avi(tmp_path / "loop.avi", clip, 20.0)
    return tmp_path / "loop.avi"


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        main(["segment", *map(str, arguments), "--device", "cpu"])
    return int(end.value.code or 0)


def test_a_run_is_found_by_a_part_of_its_name_and_applied(tmp_path, video, store, capsys):
    assert run(video, "--run", "dark", "--results-dir", store, "--out", tmp_path / "out", "--frame-rate", "30") == 0
    shown = capsys.readouterr()
    assert "10 frames" in shown.out
    assert "EF, single-plane Simpson, single view: 6" in shown.out
    assert "10 frames segmented" in shown.out  # without a terminal, work of less than half a minute shows no progress
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"masks.nii.gz", "areas.csv", "areas.png", "overlay.avi", "summary.json"}


def test_another_engine_executes_the_run_and_the_summary_names_it(tmp_path, video, store, monkeypatch):
    class Traced(Eager):
        name = "traced"

        def prepare(self, model, example, precision):
            assert example.shape == (1, 2, 1, 32, 32)
            return super().prepare(model, example, "bf16")

    monkeypatch.setitem(ENGINES.module_dict, "traced", Traced)
    arguments = ("--results-dir", store, "--out", tmp_path / "out", "--frame-rate", "30", "--no-progress")
    assert run(video, "--run", "dark", "--engine", "traced", *arguments) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["engine"] == "traced"


def test_a_run_is_found_by_its_folder_or_its_weights(store):
    folder = next(store.glob("phantom/dark-*"))
    for place in (folder, folder / "checkpoints", folder / "checkpoints" / "best.pth"):
        trained = find_trained(None, "nowhere", place)
        assert isinstance(trained.model, DarkIsCavity)
        assert (trained.image_size, trained.structures) == (32, ("lv",))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--run", "phantom/derk-small-s0"), "Did you mean"),
        (("--run", "small"), "Several finished runs"),
        (("--run", "phantom/late-"), "Unknown run"),
        (("--run", "given"), "mask of the first frame"),
        (("--run", "vessels"), "segments aorta; single clips are segmented into lv, myo, la only"),
        ((), "--checkpoint"),
        (("--checkpoint", "/"), "is not a run"),
        (("--run", "dark", "--crop", "0,0,500,10"), "does not lie inside"),
        (("--run", "dark", "--crop", "1,2,3"), "x,y,w,h"),
        (("--run", "dark", "--spacing", "0.3,-1"), "positive"),
        (("--run", "dark", "--engine", "eagle"), "Unknown engine 'eagle'"),
    ],
)
def test_a_wrong_question_is_answered_in_one_sentence(tmp_path, video, store, capsys, arguments, words):
    assert run(video, "--results-dir", store, "--out", tmp_path / "out", "--no-progress", *arguments) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown


def test_an_unfinished_run_is_refused_with_its_status(store, video, capsys, tmp_path):
    name = next(store.glob("phantom/late-*")).name
    assert run(video, "--run", f"phantom/{name}", "--results-dir", store, "--out", tmp_path / "out") == 2
    assert "status: failed" in capsys.readouterr().err


def test_a_missing_clip_is_named(store, tmp_path, capsys):
    assert run(tmp_path / "absent.avi", "--run", "dark", "--results-dir", store) == 2
    assert "absent.avi does not exist" in capsys.readouterr().err
