"""The commands that make the reference results are commands of today's command line, and come from one clean commit."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from pathlib import Path

import click
import pytest

from harness.cli import cli
from harness.registry import list_perturbations

TOOL = Path(__file__).resolve().parents[2] / "tools" / "reference.py"


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location("reference_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reference_tool", module)
    spec.loader.exec_module(module)
    return module


def _parse(arguments: list[str]) -> click.Context:
    """Parse arguments as the command line does, running nothing."""
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        verb, *arguments = arguments
        command = command.get_command(click.Context(command), verb)
    return command.make_context("echobench", arguments)


def test_every_command_of_every_step_is_understood(tool, tmp_path):
    for step in tool.steps():
        for command in step.commands:
            context = _parse(shlex.split(command.format(root=tmp_path)))
            assert not context.args, command


def test_the_faults_of_the_sweep_exist(tool):
    assert set(tool.HARD.split(",")) <= {*list_perturbations(), *list_perturbations(passing=True)}


def test_finished_steps_of_another_commit_are_refused(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "STATE", tmp_path / "state.json")
    assert tool.finished("a" * 40) == {}
    tool.STATE.write_text(json.dumps({"commit": "a" * 40, "seconds": {"export phantom": 1.0}}))
    assert tool.finished("a" * 40) == {"export phantom": 1.0}
    with pytest.raises(SystemExit, match="come from commit aaaaaaaaaa"):
        tool.finished("b" * 40)


def test_uncommitted_changes_are_refused(tool, monkeypatch):
    monkeypatch.setattr(tool, "_git", lambda *arguments: " M harness/clip.py" if arguments[0] == "status" else "c" * 40)
    with pytest.raises(SystemExit, match="uncommitted changes"):
        tool.commit()


def test_a_command_that_fails_ends_the_run_and_is_not_kept_as_finished(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "STATE", tmp_path / "state.json")
    codes = iter([0, 3])
    monkeypatch.setattr(tool.subprocess, "run", lambda *a, **k: type("Done", (), {"returncode": next(codes)}))
    step = tool.Step(name="s", answers="?", hours=1.0, commands=("bench --dry-run", "export s"))
    assert tool._run([step], None, 1, "c" * 40, {}) == 3
    assert list(tool.finished("c" * 40)) == ["s: bench --dry-run"]


def test_a_command_that_two_steps_share_is_run_in_both(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "STATE", tmp_path / "state.json")
    run = []
    monkeypatch.setattr(
        tool.subprocess, "run", lambda arguments, **k: run.append(arguments[3:]) or type("Done", (), {"returncode": 0})
    )
    both = [tool.Step(name=name, answers="?", hours=1.0, commands=("export phantom",)) for name in "ab"]
    assert tool._run(both, None, 1, "c" * 40, {}) == 0
    assert run == [["export", "phantom"]] * 2
    assert not any(step.missing(tool.finished("c" * 40)) for step in both)
