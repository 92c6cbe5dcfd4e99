"""Help and completion answer at once: no verb's module imports a library of numbers, and completion knows values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from harness import config
from harness.cli import _complete, _sweeps, cli
from harness.clip import STRUCTURE_SETS

HEAVY = {"torch", "numpy", "pandas", "scipy", "matplotlib", "mmengine", "cv2", "optuna", "rich", "loky", "nibabel"}
LOADED = "import json, sys; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"


def modules_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\n{LOADED}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["bench", "--help"], ["robustness", "run", "--help"], ["--version"]])
def test_help_loads_no_library_of_numbers(arguments: list[str]) -> None:
    code = f"from harness.cli import main\ntry: main({arguments})\nexcept SystemExit as stop: assert not stop.code"
    assert not modules_after(code) & HEAVY


def test_no_module_of_a_verb_loads_a_library_of_numbers() -> None:
    loaded = modules_after(
        "from harness.cli import cli\nfor name in cli.list_commands(None): cli.get_command(None, name)"
    )
    assert not loaded & HEAVY
    assert "click" in loaded


def test_the_help_shows_whole_sentences() -> None:
    code = "from harness.cli import main\nmain(['--help'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in cli.list_commands(None):  # type: ignore[arg-type]
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        sentence = command.get_short_help_str(limit=1000)
        assert " ".join(sentence.split()) in " ".join(shown.split())
        assert sentence.endswith((".", "?"))


def completed(*typed: str) -> list[str]:
    """What is offered for the last word."""
    *before, last = typed
    completion = ShellComplete(cli, {}, "echobench", "_ECHOBENCH_COMPLETE")
    return [item.value for item in completion.get_completions(before, last)]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("bench", "--dataset", "ph"), ["phantom"]),
        (("bench", "--models", "gdkvm,tr"), ["gdkvm,transunet"]),
        (("bench", "--recipe", ""), config.list_configs("recipes")),
        (("bench", "--suite", ""), config.list_configs("suites")),
        (("bench", "--structures", ""), list(STRUCTURE_SETS)),
        (("bench", "--clip", ""), ["ed_es", "half", "cine", "cycle", "beats", "labelled"]),
        (("bench", "--views", "2CH,"), ["2CH,4CH"]),
        (("ablate", ""), config.list_configs("studies")),
        (("profile", "--device", "c"), ["cpu", "cuda"]),
        (("data", "check", "--dataset", "ec"), ["echonet"]),
    ],
)
def test_completion_knows_values(typed: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*typed) == offered


def test_completion_knows_the_runs_and_reports_of_the_folders_that_are_named(tmp_path: Path) -> None:
    for name in ("phantom/unet-small-s0-aa", "phantom/stm-small-s0-bb"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "reports/phantom-small").mkdir(parents=True)
    (tmp_path / "reports/phantom-small/suite.json").write_text("{}")
    runs = ["segment", "--results-dir", str(tmp_path), "clip.avi", "--run"]
    assert completed(*runs, "phantom/u") == ["phantom/unet-small-s0-aa"]
    assert completed(*runs, "") == ["phantom/stm-small-s0-bb", "phantom/unet-small-s0-aa"]
    assert completed("report", "--reports-dir", str(tmp_path / "reports"), "") == ["phantom-small"]
    assert completed("report", "--reports-dir", str(tmp_path / "nowhere"), "") == []


def test_a_config_that_cannot_be_listed_leaves_the_prompt_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOBENCH_CONFIGS", "/nowhere/at/all")
    assert completed("bench", "--models", "u") == []
    assert completed("bench", "--recipe", "mine.p") == ["mine.p"]  # the shell goes on with files


def test_words_that_completion_repeats_are_those_of_their_owners() -> None:
    from harness.experiments.augment import WORD
    from harness.registry import list_perturbations
    from harness.vocabulary import FIRST_FRAMES

    assert _sweeps.AUGMENTED == WORD
    assert set(completed("bench", "--first-frame", "")) == set(FIRST_FRAMES)
    assert completed("robustness", "run", "--perturbations", "") == list_perturbations(passing=True)
    assert _complete.perturbations(None) == list_perturbations(passing=True)  # type: ignore[arg-type]
