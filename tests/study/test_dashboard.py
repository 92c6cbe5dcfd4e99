"""``optuna-dashboard`` shows a stored study by the documented command."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import finish, resolved_study

from harness.experiments.study.storage import storage_address
from harness.experiments.study.trials import study_of

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("optuna_dashboard") is None,
    reason="optuna-dashboard is not installed: pip install echobench[dashboard]",
)


def fetch(url: str, deadline_s: float = 120) -> str:
    """The body of a page, once the server answers."""
    end = time.monotonic() + deadline_s
    while True:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(url, timeout=30) as page,
        ):
            return str(page.read().decode())
        if time.monotonic() > end:
            return pytest.fail(f"{url} does not answer within {deadline_s} s")
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["db", "journal"])
def test_the_dashboard_lists_the_record_of_a_factorial_study(tmp_path, suffix):
    where = storage_address(str(tmp_path / f"modules.{suffix}"), tmp_path / "unused.db")
    resolved = resolved_study(tmp_path / "runs")
    finish(resolved)
    study_of(resolved, "modules-phantom", where)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("optuna-dashboard")
    url = where.url if suffix == "db" else str(where.file)
    server = subprocess.Popen([program, url, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert "<title>Optuna Dashboard</title>" in fetch(f"http://127.0.0.1:{port}/dashboard/")
        (summary,) = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies"))["study_summaries"]
        assert summary["study_name"] == "modules-phantom"
        detail = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies/{summary['study_id']}"))
    finally:
        server.kill()
        server.wait()
    states = [trial["state"] for trial in detail["trials"]]
    assert (states.count("Complete"), len(states)) == (15, 15)
