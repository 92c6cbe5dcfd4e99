"""The command line lets OpenMP's threads wait asleep, before torch is loaded, unless the user said otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import threads
from harness.profiling.profile import _environment
from harness.profiling.settings import ProfileSettings

COMMAND = """
import os, sys
from harness import cli
cli.cli.main = lambda *arguments, **options: print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
cli.main([])
"""


@pytest.mark.parametrize(("own", "told"), [({}, "PASSIVE False"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE False")])
def test_the_command_line_says_it_before_torch_is_loaded(own: dict[str, str], told: str) -> None:
    done = subprocess.run([sys.executable, "-c", COMMAND], env=own, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == told


def test_a_user_s_own_setting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")
    assert not threads.wait_asleep()
    assert "OMP_WAIT_POLICY" not in threads.os.environ


def test_a_profile_waits_in_the_same_way_whoever_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert _environment(ProfileSettings())["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert _environment(ProfileSettings())["OMP_WAIT_POLICY"] == "ACTIVE"
