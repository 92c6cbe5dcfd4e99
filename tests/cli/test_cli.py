"""The command line: verbs, exit codes, one sentence for everything that goes wrong."""

from __future__ import annotations

import errno

import pytest
from click.testing import CliRunner

import harness.cli
from harness.cli import cli, main
from harness.cli._typed import typed
from harness.errors import BenchError

VERBS = {
    "ablate",
    "audit",
    "bench",
    "compare",
    "data",
    "export",
    "import-gdkvm",
    "segment",
    "models",
    "phantom",
    "power",
    "profile",
    "report",
    "robustness",
    "runs",
    "verify",
}


def run_main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return stop.value.code


def test_the_verbs_are_these():
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert {line.split()[0] for line in result.output.splitlines() if line.startswith("  ") and line.split()} >= VERBS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(verb):
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 5


def test_an_unknown_verb_is_answered_with_the_nearest(capsys):
    assert run_main("bensh") == 2
    assert "There is no verb 'bensh'. Did you mean 'bench'?" in capsys.readouterr().err


def test_an_unknown_option_is_answered_with_the_nearest(capsys):
    assert run_main("bench", "--datset", "camus") == 2
    assert "--dataset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--dataset", "camuss"), "Unknown dataset 'camuss'. Did you mean 'camus'?"),
        (("--models", "gdkvn"), "Unknown model 'gdkvn'. Did you mean 'gdkvm'?"),
        (("--models", "unet", "--set", "recipe.lrr=1"), "Unknown option 'recipe.lrr'"),
        (("--models", "unet", "--set", "nonsense"), "The override 'nonsense' is not of the form key=value."),
        (("--dataset", "camus", "--root", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_exit_code_2(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_main("bench", *arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("raised", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "Stopped by Ctrl-C"),
        (OSError(errno.ENOSPC, "No space left on device", "x.pth"), 2, "The disk is full (x.pth)"),
        (BenchError("One sentence."), 2, "echobench: One sentence."),
    ],
)
def test_whatever_stops_a_verb_has_its_exit_code_and_sentence(raised, code, sentence, capsys, monkeypatch):
    def stop(*arguments, **options):
        raise raised

    monkeypatch.setattr(harness.cli.cli, "main", stop)
    assert run_main("bench") == code
    assert sentence in capsys.readouterr().err


def test_an_empty_store_says_how_to_fill_it(tmp_path):
    result = CliRunner().invoke(cli, ["runs", "--results-dir", str(tmp_path)])
    assert "No runs in" in result.output
    assert "echobench bench" in result.output


def test_models_lists_every_config():
    output = CliRunner().invoke(cli, ["models"]).output
    for name in ("gdkvm", "unet", "transunet", "stm", "xmem"):
        assert name in output


@pytest.mark.parametrize("root", [("--root", "/mnt/my data/camus"), ("--root=/mnt/my data/camus",)])
def test_the_command_in_a_report_names_no_folder_of_one_machine(root):
    arguments = ["ablate", "modules", *root, "--report-only", "--set", "recipe.iterations=5"]
    shown = typed(arguments, flags=("--report-only",))
    assert shown.replace("--root=", "--root ") == "echobench ablate modules --root ROOT --set recipe.iterations=5"


def test_a_switch_after_a_dropped_switch_is_kept():
    assert (
        typed(["ablate", "--report-only", "--no-profile"], flags=("--report-only",)) == "echobench ablate --no-profile"
    )
    assert typed(["bench", "--report", "two words"]) == "echobench bench --report 'two words'"


@pytest.mark.parametrize("verb", ["bench", "ablate", "robustness", "profile"])
def test_several_ranks_are_refused_before_anything_is_read_or_written(verb: str, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        main([verb])
    assert ended.value.code != 0
    assert f"echobench {verb} is not started with torchrun" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
